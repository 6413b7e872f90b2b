"""Lets the Nth operation on files below a folder fail, for every N: `python -m tests.chaos.faulty_files`

An operation is a call of the system that a program makes with a path below the folder, or with a file that it opened
there: opening, reading, writing, forcing to the disk, renaming, linking, removing, listing, and so on.

After each fault it must hold that

1. the call ended with a result or with one of the package's own errors, which is a sentence;
2. what it said is true: what is delivered is in the mailbox, what is queued is in the outbox, and what failed is in
   neither and never gets there;
3. the next call, without faults, needs no repair, and everything that was accepted is in the mailbox exactly once.
"""

from __future__ import annotations

import argparse
import builtins
import errno
import io
import json
import os
import shlex
import shutil
import sys
import tempfile
import time
from collections import Counter
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

from tests.chaos.dice import dice
from tests.chaos.faulty_trials import SCENARIOS, Finding, try_once
from tests.chaos.killing_worlds import Way, Worlds

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from typing import Self

ERRORS = {name: getattr(errno, name) for name in ("ENOSPC", "EIO", "EACCES", "EMFILE")}
PLACES = ("state", "mailbox")
_ONE_PATH = ("unlink", "remove", "mkdir", "rmdir", "listdir", "scandir", "utime", "chmod", "fsync", "write")
_TWO_PATHS = ("replace", "rename", "link")
_LOOKS = ("stat", "lstat")
_LOOKS_FAIL_WITH = {errno.EIO, errno.EACCES}


class FaultyFiles:
    """Counts the operations below a folder, and lets one of them fail; a context.

    Args:
        folder: with everything below it.
        number: which operation fails, counted from 1.
        error: the number of the system's error.
        lasting: whether all after it fail, too.

    Attributes:
        count: how many operations there were.
        failed: the operation that failed, or an empty string.
    """

    def __init__(self, folder: Path, number: int, error: int, *, lasting: bool = False) -> None:
        self.count = 0
        self.failed = ""
        self._folder = os.fspath(folder) + os.sep
        self._number = number
        self._error = error
        self._lasting = lasting
        self._files: set[int] = set()
        self._patches = ExitStack()

    def __enter__(self) -> Self:
        """Begin to count."""
        replaced: dict[str, Callable[..., Any]] = {name: self._watched(name, 1) for name in _ONE_PATH}
        replaced |= {name: self._watched(name, 2) for name in _TWO_PATHS}
        if self._error in _LOOKS_FAIL_WITH:
            replaced |= {name: self._watched(name, 1) for name in _LOOKS}
        replaced |= {"open": self._opener(os.open), "close": self._closer(os.close)}
        for name, function in replaced.items():
            self._patches.enter_context(patch.object(os, name, function))
        for module in (io, builtins):
            self._patches.enter_context(patch.object(module, "open", self._file_opener(io.open)))
        return self

    def __exit__(self, *_: object) -> None:
        """Let everything work again."""
        self._patches.close()

    def operate(self, name: str, target: object) -> None:
        """Count an operation.

        Raises:
            OSError: it is the one that fails.
        """
        self.count += 1
        if self.count == self._number or (self._lasting and self.count > self._number):
            self.failed = self.failed or f"{name} {Path(os.fsdecode(os.fspath(target))).name}"  # type: ignore[arg-type]
            raise OSError(self._error, os.strerror(self._error))

    def _is_below(self, target: object, folder: object = None) -> bool:
        if isinstance(target, int):
            return target in self._files
        if not isinstance(target, str | bytes | os.PathLike):
            return False
        if isinstance(folder, int):
            return folder in self._files
        return (os.path.abspath(os.fsdecode(target)) + os.sep).startswith(self._folder)  # noqa: PTH100 - it is hot

    def _watched(self, name: str, paths: int) -> Callable[..., Any]:
        real = getattr(os, name)

        def call(*arguments: Any, **options: Any) -> Any:
            targets, folder = arguments[:paths], options.get("dir_fd")
            if any(self._is_below(each, folder) for each in targets):
                self.operate(name, targets[-1] if isinstance(targets[-1], str | os.PathLike) else "an open file")
            return real(*arguments, **options)

        return call

    def _opener(self, real: Callable[..., int]) -> Callable[..., int]:
        def call(path: Any, *arguments: Any, **options: Any) -> int:
            if not self._is_below(path, options.get("dir_fd")):
                return real(path, *arguments, **options)
            self.operate("open", path)
            file = real(path, *arguments, **options)
            self._files.add(file)
            return file

        return call

    def _closer(self, real: Callable[[int], None]) -> Callable[[int], None]:
        def call(file: int) -> None:
            self._files.discard(file)
            real(file)

        return call

    def _file_opener(self, real: Callable[..., Any]) -> Callable[..., Any]:
        def call(
            file: Any, mode: str = "r", buffering: int = -1, *rest: Any, closefd: bool = True, **options: Any
        ) -> Any:
            if not self._is_below(file):
                return real(file, mode, buffering, *rest, closefd=closefd, **options)
            if not isinstance(file, int):
                self.operate("open", file)
            raw = _File(self, file, mode.replace("b", "").replace("t", ""), closefd, options.pop("opener", None))
            buffered: Any = raw
            if buffering != 0:
                kind = io.BufferedRandom if "+" in mode else io.BufferedReader if "r" in mode else io.BufferedWriter
                buffered = kind(raw)
            return buffered if "b" in mode else io.TextIOWrapper(buffered, *rest, **options)

        return call


class _File(io.FileIO):
    """A file whose reading and writing is counted."""

    def __init__(self, faults: FaultyFiles, file: Any, mode: str, closefd: bool, opener: Any) -> None:
        self._faults = faults
        super().__init__(file, mode, closefd, opener)
        faults._files.add(self.fileno())

    def read(self, size: int = -1, /) -> bytes:
        self._faults.operate("read", "")
        return super().read(size)  # type: ignore[return-value]

    def readall(self) -> bytes:
        self._faults.operate("read", "")
        return super().readall()  # type: ignore[return-value]

    def readinto(self, buffer: Any, /) -> int:
        self._faults.operate("read", "")
        return super().readinto(buffer)  # type: ignore[return-value]

    def write(self, data: Any, /) -> int:
        self._faults.operate("write", "")
        return super().write(data)  # type: ignore[return-value]

    def truncate(self, size: int | None = None, /) -> int:
        self._faults.operate("truncate", "")
        return super().truncate(size)

    def close(self) -> None:
        if not self.closed and self.closefd:
            self._faults._files.discard(self.fileno())
        super().close()


# ---------------------------------------------------------------------------------------------------------------------
# Runs


@dataclass
class Row:
    """What came of the faults in one scenario.

    Attributes:
        operations: how many operations the call makes.
        faults: how many of them were made to fail, each in a trial of its own.
        findings: what went wrong.
    """

    scenario: str
    place: str
    error: str
    operations: int = 0
    faults: int = 0
    findings: list[Finding] = field(default_factory=list)


def run(
    worlds: Worlds, scenario: tuple[str, str], place: str, error: str, every: tuple[int, int], *, lasting: bool
) -> Row:
    """Let one operation after the other fail.

    Args:
        worlds: where the trials are made.
        scenario: the situation and the action.
        place: in which folder things fail, `state` or `mailbox`.
        error: the name of the error.
        every: the first operation that fails, and the step to the next one.
        lasting: whether everything after it fails, too.
    """
    row = Row(", ".join(scenario), place, error)
    number, step = every
    while True:
        world = worlds.copy(scenario[0])
        folder = world.homes if place == "state" else world.repository
        faults = FaultyFiles(folder, number, ERRORS[error], lasting=lasting)
        finding = try_once(world, worlds.before(scenario[0]), scenario, faults)
        worlds.remove(world)
        row.operations = faults.count
        if not faults.failed:
            return row
        row.faults += 1
        if finding is not None:
            row.findings.append(Finding(number, faults.failed, finding))
        number += step


def rows(worlds: Worlds, chosen: argparse.Namespace) -> Iterator[Row]:
    """Run what the options say."""
    for place in chosen.place or PLACES:
        for scenario in SCENARIOS[: chosen.scenarios]:
            for error in chosen.error or ERRORS:
                first = 1 + dice(chosen.seed, place, scenario, error).randrange(chosen.step)
                yield run(worlds, scenario, place, error, (first, chosen.step), lasting=chosen.lasting)


def main() -> int:
    """Run what the options say, and print a row for each scenario, place and error."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.chaos.faulty_files", description=str(__doc__).splitlines()[0]
    )
    parser.add_argument("--step", type=int, default=1, help="let only each Nth operation fail, from a random one on")
    parser.add_argument(
        "--seed", type=int, default=time.time_ns() % 1_000_000, help="decides where a larger step begins"
    )
    parser.add_argument("--scenarios", type=int, default=len(SCENARIOS), help="only the first few")
    parser.add_argument("--error", action="append", choices=[*ERRORS], help="all of them by default")
    parser.add_argument("--place", action="append", choices=PLACES, help="both by default")
    parser.add_argument("--lasting", action="store_true", help="let everything after the first fault fail, too")
    parser.add_argument("--json", type=Path, help="where to write the figures")
    chosen = parser.parse_args()
    begun = time.monotonic()
    shm = Path("/dev/shm")  # noqa: S108 - nothing here has to outlive anything, and forcing it to a disk takes long
    folder = Path(tempfile.mkdtemp(prefix="faulty-", dir=shm if shm.is_dir() else None)).resolve()
    done = []
    try:
        (folder / "mailboxes").mkdir()
        worlds = Worlds(Way("path", folder / "mailboxes", str(folder / "mailboxes")), folder)
        for row in rows(worlds, chosen):
            done.append(row)
            _print(row)
    finally:
        shutil.rmtree(folder)
    return _sum_up(done, chosen, time.monotonic() - begun)


def _print(row: Row) -> None:
    what = f"{row.scenario:32} {row.place:8} {row.error:7}"
    print(f"{what} operations {row.operations:4}  faults {row.faults:4}  wrong {len(row.findings)}", flush=True)
    for each in row.findings:
        print(f"    operation {each.number}, {each.operation}: {each.what}", flush=True)


def _sum_up(done: Sequence[Row], chosen: argparse.Namespace, seconds: float) -> int:
    faults: Counter[str] = Counter()
    for row in done:
        faults[row.error] += row.faults
    summary = {
        "command": f"python -m tests.chaos.faulty_files {shlex.join(sys.argv[1:])}",
        "seed": chosen.seed,
        "scenarios": len({(row.scenario, row.place) for row in done}),
        "faults": dict(faults),
        "wrong": sum(len(row.findings) for row in done),
        "seconds": round(seconds),
    }
    print(json.dumps(summary, indent=2))
    if chosen.json:
        chosen.json.write_text(json.dumps({"summary": summary, "rows": [asdict(row) for row in done]}, indent=2) + "\n")
    return 1 if summary["wrong"] else 0


if __name__ == "__main__":
    sys.exit(main())
