"""A process that writes to a room: it asks and answers as its order says, and prints what it was told.

The order is one line of JSON on standard input; a second line says when to begin.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

from peer_relay import app
from peer_relay.config import RelayConfig
from peer_relay.errors import AlreadyAnswered

order = json.loads(sys.stdin.readline())
config = RelayConfig(
    remote=order["remote"], token=order["token"], peer_id=order["peer"], home=Path(order["home"]), timeout_s=50
)
relay = app.open_relay(config, os.environ)
print("ready", flush=True)
sys.stdin.readline()
told: dict[str, list[str]] = {"delivered": [], "queued": [], "second": []}
for text in order["questions"]:
    sent = relay.ask(text)
    told["delivered" if sent.delivered else "queued"].append(text)
for question_id, text in order["answers"]:
    try:
        sent = relay.answer(question_id, text)
    except AlreadyAnswered:
        told["second"].append(text)
    else:
        told["delivered" if sent.delivered else "queued"].append(text)
relay.close()
print(json.dumps(told))
