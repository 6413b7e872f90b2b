"""One peer's machine: a folder for everything that peer-relay keeps, with a disk and a clock of its own."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.chaos.checker import Left

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.chaos.mailboxes import Door

DISK_BYTES = 192 << 20
"""More than peer-relay keeps free for a fetch, and little enough to be filled in no time."""


@dataclass(frozen=True)
class Machine:
    """A machine.

    Attributes:
        name: such as `alice/0`.
        peer: whose it is.
        home: its `PEER_RELAY_HOME`.
        clock: the file that says how far its clock is off, in nanoseconds.
        door: its entrance to the mailbox.
        has_disk: whether `home` is a small disk of its own, which can be filled.
    """

    name: str
    peer: str
    home: Path
    clock: Path
    door: Door
    has_disk: bool

    def set_clock(self, nanoseconds: int) -> None:
        """Put its clock off by this much."""
        passing = self.clock.with_suffix(".new")
        passing.write_text(str(nanoseconds), encoding="ascii")
        passing.replace(self.clock)

    def fill_disk(self) -> None:
        """Leave no free byte on its disk."""
        handle = os.open(self._filler, os.O_WRONLY | os.O_CREAT, 0o600)
        try:
            free = os.statvfs(self.home)
            with contextlib.suppress(OSError):
                os.posix_fallocate(handle, 0, free.f_bavail * free.f_frsize)
            with contextlib.suppress(OSError):
                os.lseek(handle, 0, os.SEEK_END)
                while os.write(handle, bytes(4096)):
                    pass
        finally:
            os.close(handle)

    def free_disk(self) -> None:
        """Take away what filled it."""
        self._filler.unlink(missing_ok=True)

    def delete_clone(self) -> None:
        """Take the clone away, under the hands of whoever is using it."""
        for folder in self.home.glob("rooms/*/*/clone"):
            shutil.rmtree(folder, ignore_errors=True)

    def delete_checkpoint(self) -> None:
        """Take the checkpoint away."""
        for path in self.home.glob("rooms/*/*/checkpoint.json"):
            path.unlink(missing_ok=True)

    def left(self) -> Left:
        """Return what is on its way and what is unread."""
        entries = [(entry["status"], text) for entry, text in self._outbox()]
        asked = (path.name for path in self.home.glob("rooms/*/*/asked/*") if "." not in path.name)
        return Left(
            queued=frozenset(text for status, text in entries if status == "queued"),
            set_aside=frozenset(text for status, text in entries if status == "refused"),
            unread=frozenset(asked),
        )

    def secrets_in(self, secrets: frozenset[str]) -> list[str]:
        """Return the files that hold a secret."""
        files = (path for path in self.home.rglob("*") if path.is_file())
        return [str(path) for path in files if any(each.encode() in path.read_bytes() for each in secrets)]

    def keep(self) -> None:
        """Copy what is on its disk to where it stays when the disk is gone."""
        if self.has_disk:
            shutil.copytree(self.home, self.home.with_name("disk"), symlinks=True, dirs_exist_ok=True)

    @property
    def _filler(self) -> Path:
        return self.home / "filler"

    def _outbox(self) -> Iterator[tuple[dict[str, str], str]]:
        for path in sorted(self.home.glob("rooms/*/*/outbox/*.json")):
            with contextlib.suppress(FileNotFoundError):  # it was delivered just now
                entry = json.loads(path.read_text(encoding="utf-8"))["content"]
                record = json.loads(entry["record"])
                yield entry, record.get("question") or record["answer"]


def make_machine(folder: Path, name: str, door: Door) -> Machine:
    """Make a machine in a folder of its own, with a disk of its own if this process may mount one.

    Args:
        folder: where its folder is made.
        name: such as `alice/0`.
        door: its entrance to the mailbox.
    """
    own = folder / name.replace("/", "-")
    home = own / "home"
    home.mkdir(parents=True)
    machine = Machine(name, name.partition("/")[0], home, own / "clock", door, _mount(home))
    machine.set_clock(0)
    return machine


def remove_disk(machine: Machine) -> None:
    """Give its disk back; what is on it is lost."""
    if machine.has_disk:
        subprocess.run(["umount", "--lazy", machine.home], check=False, capture_output=True)


def _mount(home: Path) -> bool:
    try:
        done = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", f"size={DISK_BYTES},mode=700", "tmpfs", home],
            check=False,
            capture_output=True,
        )
    except OSError:
        return False
    return done.returncode == 0
