"""What the bundle starts: the server of peer-relay, as `peer-relay serve` does."""  # noqa: INP001 - a script alone

import sys

from peer_relay.__main__ import main

sys.argv = ["peer-relay", "serve"]
main()
