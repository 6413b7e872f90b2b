"""Run by `test_bounds.py` in a process of its own: a look at a room, and how much memory it took.

Usage: measured.py FOLDER MAILBOX BRANCH COMMIT...

The branch is put at each commit in turn and looked at; one line of JSON is printed for each look.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

from tests.git_store.reading import reader, soon


def peak_kib() -> int:
    """Return the most memory that this process ever had; `ru_maxrss` would count its parent's before the exec."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return int(status.split("VmHWM:")[1].split()[0])


def main(folder: str, mailbox: str, branch: str, *commits: str) -> None:
    each = reader(Path(folder), mailbox)
    idle, known = peak_kib(), None
    for commit in commits:
        Path(mailbox, branch).write_text(f"{commit}\n", encoding="ascii")
        begun = time.perf_counter()
        found = each.store.refresh(known, None, soon())
        known = found.snapshot
        print(
            json.dumps(
                {
                    "tip": known.tip,
                    "arrivals": len(found.arrivals),
                    "answered": len(known.ledger.answered),
                    "open": len(known.ledger.open),
                    "grown_kib": peak_kib() - idle,
                    "pack_bytes": each.transport.packs[-1],
                    "seconds": time.perf_counter() - begun,
                }
            )
        )


if __name__ == "__main__":
    main(*sys.argv[1:])
