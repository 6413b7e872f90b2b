"""One of many processes that ask at once: `python -m benchmarks.asking`, in the room that its environment names.

Each line of its input is a number of questions. It asks them one after the other, sees to it that all are in the
mailbox, and prints as one line of JSON when each was: by the clock that all processes of a machine share.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
import time

from peer_relay import app
from peer_relay.settings import load_config, surroundings

QUESTION = "Why does the session token expire after 15 minutes? Mobile users are logged out. Case {} of {}."


def main() -> None:
    """Ask as often as it is told to."""
    with contextlib.closing(app.open_relay(load_config(print), surroundings())) as relay:
        relay.questions()
        print("ready", flush=True)
        for line in sys.stdin:
            times, queued = [], 0
            for number in range(int(line)):
                if relay.ask(QUESTION.format(number, os.getpid())).delivered:
                    times.append(time.monotonic())
                else:
                    queued += 1
            while queued and not relay.deliver():
                time.sleep(0.01)
            print(json.dumps([*times, *[time.monotonic()] * queued]), flush=True)


if __name__ == "__main__":
    main()
