"""Fills a disk of 1 MiB: `unshare --map-root-user --mount python -m tests.chaos.small_disk WHAT FOLDER`

WHAT is `home`, for a disk with alice's state, or `mailbox`. It prints what was seen, as JSON.
"""

from __future__ import annotations

import base64
import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from peer_relay.errors import PeerRelayError
from tests.chaos.dice import dice
from tests.chaos.killing_worlds import SITUATIONS, World
from tests.servers import run_git

_TOO_MANY = 90
_LETTERS = 8_900
_LEFT_BYTES = 256 << 10


def main(what: str, folder: Path) -> None:
    """Fill the disk, see what is told, give it more space, and see what becomes of what was accepted."""
    world = World(folder / "mailbox.git", str(folder / "mailbox.git"), folder / "homes")
    SITUATIONS["up to date"](world)
    disk = world.homes / "alice" if what == "home" else world.repository
    _move_to_small_disk(disk)
    away = world.repository.with_name("away.git")
    if what == "home":
        world.repository.rename(away)  # or nothing would stay in the outbox
    seen = _fill(world)
    seen["again"] = _told(world, "again")
    _mount(disk, "remount,size=64m")
    if what == "home":
        away.rename(world.repository)
    seen["goes_out"] = world.relay("alice").deliver()
    seen["stored"] = dict(world.stored())
    seen["waited_for"] = len(world.state.asked.ids())
    seen["locks"] = [str(path) for path in world.repository.rglob("*.lock")]
    run_git("fsck", "--strict", cwd=world.repository)
    print(json.dumps(seen))


def _move_to_small_disk(folder: Path) -> None:
    before = folder.rename(folder.with_name("before"))
    folder.mkdir()
    _mount(folder, "size=1m")
    shutil.copytree(before, folder, dirs_exist_ok=True)
    # A few records less, which would only take longer: each call looks at all that wait.
    free = shutil.disk_usage(folder).free
    (folder / "ballast").write_bytes(bytes(max(0, free - _LEFT_BYTES)))


def _fill(world: World) -> dict[str, Any]:
    """Ask until something else is told than the first time."""
    asked: dict[str, str] = {}
    for number in range(_TOO_MANY):
        asked[f"ask-{number}"] = told = _told(world, f"ask-{number}")
        if told != asked["ask-0"]:
            break
    return {"asked": asked, "last": told, "queued": sorted(world.queued())}


def _told(world: World, name: str) -> str:
    text = base64.b64encode(dice(name).randbytes(_LETTERS)).decode()
    try:
        sent = world.relay("alice").ask(f"{name}: {text}")
    except PeerRelayError as error:
        return str(error)
    return "delivered" if sent.delivered else f"queued: {sent.blocked}"


def _mount(folder: Path, options: str) -> None:
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", folder], check=True)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
