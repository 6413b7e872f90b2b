"""`ping`: one round trip to the room and back, which leaves nothing behind there (I8)."""

from __future__ import annotations

from peer_relay import access
from peer_relay.cli.command import command, manners
from peer_relay.cli.moments import milliseconds
from peer_relay.cli.output import emit, say, warn
from peer_relay.cli.progress import Watcher
from peer_relay.cli.terminal import printable
from peer_relay.keys import RoomKeys
from peer_relay.settings import load_config, surroundings


@command(
    examples=[
        "peer-relay ping",
        "peer-relay ping --room alice-carol --json",
        "peer-relay ping --verbose  # with each operation",
    ],
    prints_data=True,
    enters_room=True,
)
def ping() -> None:
    """Go to the room and back, and check that it can be written.

    The times are those of reading the room's branch, with making the connection, and of asking whether it may be
    written. Nothing is written.
    """
    config = load_config(warn, manners().room)
    went = access.ping(config, surroundings(), observer=Watcher())
    if manners().as_json:
        room_id = RoomKeys.from_token(config.token).room_id
        emit(
            {
                "remote": went.remote,
                "room_id": room_id,
                "login": went.login,
                "read_s": round(went.read_s, 4),
                "write_s": round(went.write_s, 4),
            }
        )
        return
    times = f"Read in {milliseconds(went.read_s)}, may write ({milliseconds(went.write_s)})"
    say(printable(f"{went.remote}: the room is there. {times}; logged in by {went.login}."))
