"""Makes `python -m peer_relay` the same as the program `peer-relay`."""

from peer_relay.cli import main

if __name__ == "__main__":
    main()
