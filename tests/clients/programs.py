"""The clients' programs that nobody here wrote: where they are, and how a test runs one.

1. A program sees a home folder, a search path and what the test names, and nothing else of this machine. Whatever it
   wants from the network beyond loopback meets a closed door, and what it writes for a while is below its home folder.
2. A program and all that it started end with the call, at the latest when its time is up.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

ROOT = Path(__file__).parents[2]
INSTALLED = ROOT / ".clients"
"""Where `make programs` installs: a Python environment with Node in it, and the packages of package.json."""
OWN_SCRIPTS = Path(sys.executable).parent
"""Where `peer-relay` is, as the tests' own environment has it."""
NOWHERE = "http://127.0.0.1:9"
"""A proxy that there is none of: port 9 is set aside for throwing away."""


@dataclass(frozen=True)
class Finished:
    """How a program ended.

    Attributes:
        code: its exit code; negative for a signal.
        output: what it wrote to its standard output.
        errors: what it wrote to its standard error.
    """

    code: int
    output: str
    errors: str


@dataclass(frozen=True)
class Program:
    """A program of a client.

    Attributes:
        command: how it is started, without its arguments.
        cwd: where it is started unless a call says something else; the home folder if None.
    """

    command: tuple[str, ...]
    cwd: Path | None = None

    def __call__(
        self,
        *arguments: str | Path,
        home: Path,
        variables: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        data: str = "",
        limit_s: float = 50,
    ) -> Finished:
        """Run the program to its end.

        Args:
            arguments: its arguments.
            home: its home folder.
            variables: the environment, beyond what `surroundings` gives.
            cwd: where it runs, unless it is the place of the program or the home folder.
            data: its standard input.
            limit_s: after so many seconds it is ended, and the test fails.

        Raises:
            AssertionError: it did not end in time; the message holds what it wrote so far.
        """
        command = [*self.command, *map(str, arguments)]
        with running(command, surroundings(home, variables), cwd or self.cwd or home) as process:
            try:
                output, errors = process.communicate(data, timeout=limit_s)
            except subprocess.TimeoutExpired as late:
                end_group(process)
                said = b"".join(each for each in (late.stdout, late.stderr) if isinstance(each, bytes)).decode()
                raise AssertionError(
                    f"{Path(command[0]).name} did not end in {limit_s:g} s; it wrote: {said}"
                ) from None
        return Finished(process.returncode, output, errors)


def surroundings(home: Path, variables: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return the whole environment of a program: nothing of the tests' own is in it.

    Args:
        home: the home folder; git's configuration in it is the only one.
        variables: what to add or to replace.
    """
    return {
        "HOME": str(home),
        "TMPDIR": str(home),
        "CLAUDE_CODE_TMPDIR": str(home),
        "PATH": os.pathsep.join((str(OWN_SCRIPTS), str(INSTALLED / "bin"), "/usr/local/bin", "/usr/bin", "/bin")),
        "LANG": "C.UTF-8",
        "GIT_CONFIG_NOSYSTEM": "1",
        "HTTP_PROXY": NOWHERE,
        "HTTPS_PROXY": NOWHERE,
        "NO_PROXY": "127.0.0.1,localhost",
        **(variables or {}),
    }


@contextmanager
def running(command: Sequence[str], environment: Mapping[str, str], cwd: Path) -> Iterator[subprocess.Popen[str]]:
    """Run a command with pipes and in a process group of its own, which ends with the block."""
    process = subprocess.Popen(
        command,
        env=environment,
        cwd=cwd,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
        start_new_session=True,
    )
    with process:
        try:
            yield process
        finally:
            end_group(process)


def end_group(process: subprocess.Popen[str]) -> None:
    """End a process and all that it started and that did not leave its group."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
