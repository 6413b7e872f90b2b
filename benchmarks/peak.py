"""Run a command of peer-relay and say what it took: `python -m benchmarks.peak FILE COMMAND...`.

The file gets one line of JSON: the peak of the process's memory in MiB, and its processor time in seconds. The system's
own figure of a child's peak is of no use, because it begins with what the parent had when it started the child.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

STATUS = Path("/proc/self/status")


def peak_of(command: list[str], environ: Mapping[str, str], file: Path) -> dict[str, float]:
    """Run a command in a process of its own.

    Returns:
        `mib`, its peak of memory, and `cpu_s`, its processor time, that of its own children included.
    """
    words = [sys.executable, "-m", "benchmarks.peak", str(file), *command]
    done = subprocess.run(words, env=environ, check=False, capture_output=True)
    assert done.returncode == 0, done.stderr.decode(errors="replace")
    found: dict[str, float] = json.loads(file.read_text())
    return found


def _peak_mib() -> float:
    with suppress(FileNotFoundError):
        (line,) = (line for line in STATUS.read_text().splitlines() if line.startswith("VmHWM:"))
        return int(line.split()[1]) / 1024
    unit = 1 << 20 if sys.platform == "darwin" else 1 << 10
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit


def main() -> None:
    """Run the command, then write what it took."""
    from peer_relay.cli import main as program  # noqa: PLC0415 - the command imports all that it needs by itself

    file = Path(sys.argv.pop(1))
    try:
        program()
    finally:
        file.write_text(json.dumps({"mib": _peak_mib(), "cpu_s": sum(os.times()[:4])}))


if __name__ == "__main__":
    main()
