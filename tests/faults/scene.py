"""A room in which something is known, something is new and something waits, made once and copied for each trial."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING

from peer_relay import app
from peer_relay.config import RelayConfig
from tests.servers import create_repository, run_git

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from peer_relay.relay import Relay

BEFORE, AFTER = "before", "after"
PATIENCE_S = 30.0


@dataclass(frozen=True)
class Scene:
    """What a trial begins with: two moments of a room, and what alice's machine keeps at each.

    Before, bob has asked `known`, which alice has seen, and alice has asked `waiting`. After, bob has also asked `news`
    and answered `waiting`.

    Attributes:
        folder: holds `before` and `after`, each with `mailbox.git` and with `home`, which is alice's.
        token: the room's.
        branch: its full name.
        known: an id.
        waiting: an id.
        news: an id.
        records: the paths of all records in the mailbox, by the moment.
    """

    folder: Path
    token: str
    branch: str
    known: str
    waiting: str
    news: str
    records: Mapping[str, tuple[str, ...]]

    def relay(
        self, remote: str, home: Path, environ: Mapping[str, str], timeout_s: float, peer: str = "alice"
    ) -> Relay:
        """Return a relay, as a new process would have it."""
        config = RelayConfig(remote=remote, token=self.token, peer_id=peer, home=home, timeout_s=timeout_s)
        return app.open_relay(config, environ)


def make_scene(folder: Path) -> Scene:
    """Make the scene in an empty folder."""
    repository = create_repository(folder / "mailbox.git")
    shutil.rmtree(repository / "hooks")  # samples, which nobody needs to copy
    token = app.new_token()
    made = Scene(folder, token, "", "", "", "", {})
    config = RelayConfig(remote=str(repository), token=token, peer_id="bob", home=folder / "bob", timeout_s=PATIENCE_S)
    app.create_room(config, "alice", {})
    bob = made.relay(str(repository), folder / "bob", {}, PATIENCE_S, "bob")
    alice = made.relay(str(repository), folder / "alice", {}, PATIENCE_S)
    known, waiting = bob.ask("Known?").question_id, alice.ask("Waiting?").question_id
    alice.questions()
    branch = run_git("for-each-ref", "--format=%(refname)", cwd=repository).decode().strip()
    records = {BEFORE: _keep(folder, BEFORE, branch)}
    news = bob.ask("News?").question_id
    bob.answer(waiting, "Because.")
    alice.questions()
    records[AFTER] = _keep(folder, AFTER, branch)
    return Scene(folder, token, branch, known, waiting, news, records)


def _keep(folder: Path, moment: str, branch: str) -> tuple[str, ...]:
    shutil.copytree(folder / "mailbox.git", folder / moment / "mailbox.git")
    shutil.copytree(folder / "alice", folder / moment / "home")
    return records_in(folder / "mailbox.git", branch)


def records_in(repository: Path, branch: str) -> tuple[str, ...]:
    """Return the path of every record that was ever added, once for each time, in alphabetical order, by plain git."""
    options = ("--no-renames", "--diff-filter=A", "--name-only", "--format=")
    added = run_git("log", *options, branch, cwd=repository).decode().split()
    return tuple(sorted(path for path in added if path != "room.json"))
