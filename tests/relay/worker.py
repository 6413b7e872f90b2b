"""One process of one peer, for tests that start several.

Usage: `python -m tests.relay.worker TOKEN REPOSITORY HOME PEER NAME COUNT`

It says that it is ready and waits for a line on its standard input, so that all begin at once. Then it asks COUNT
questions, answers what it finds in between, and prints what it was told of each record.
"""

from __future__ import annotations

import contextlib
import json
import sys
from pathlib import Path

from peer_relay.app import open_relay
from peer_relay.config import RelayConfig
from peer_relay.errors import AlreadyAnswered, AlreadyQueued


def main(token: str, repository: str, home: str, peer: str, *, name: str, count: int) -> None:
    relay = open_relay(RelayConfig(remote=repository, token=token, peer_id=peer, home=Path(home)), {})
    told: dict[str, bool] = {}
    print("ready", flush=True)
    sys.stdin.readline()
    for number in range(count):
        text = f"Question {number} of {name}?"
        told[text] = relay.ask(text).delivered
        for waiting in relay.questions().items:
            text = f"Answer of {name} to {waiting.question}"
            with contextlib.suppress(AlreadyAnswered, AlreadyQueued):
                told[text] = relay.answer(waiting.question_id, text).delivered
    print(json.dumps({"told": told, "done": relay.deliver()}))


if __name__ == "__main__":
    main(*sys.argv[1:5], name=sys.argv[5], count=int(sys.argv[6]))
