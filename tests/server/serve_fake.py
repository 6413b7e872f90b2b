"""A server process on a fake relay: `python -m tests.server.serve_fake FOLDER`, with the script in the folder."""

from __future__ import annotations

import sys
from pathlib import Path

from peer_relay.server import run


def main() -> None:
    folder = Path(sys.argv[1])

    def open_relay() -> object:
        from tests.server.fake_relay import FakeRelay, Script  # noqa: PLC0415 - as late as the real one

        return FakeRelay.open(folder, Script.load(folder))

    run(open_relay)  # type: ignore[arg-type]


main()
