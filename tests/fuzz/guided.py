"""Run by `__main__.py` where atheris is installed: one target, with inputs that are chosen by what they reach.

Usage: guided.py TARGET FOLDER [LIBFUZZER-OPTION...]

The folder keeps what was found worth keeping, and is begun with the target's seeds.
"""

from __future__ import annotations

import sys
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["peer_relay", "dulwich"]):
    from tests.fuzz.targets import TARGETS


def main(name: str, folder: str, *options: str) -> None:
    """Fuzz until an option ends it; a finding ends it with a traceback."""
    for number, seed in enumerate(TARGETS[name].seeds):
        Path(folder, f"seed-{number}").write_bytes(seed)
    atheris.Setup([sys.argv[0], folder, *options], TARGETS[name].run)
    atheris.Fuzz()


if __name__ == "__main__":
    main(*sys.argv[1:])
