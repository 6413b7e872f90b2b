"""Where the program begins, as `peer-relay` and as `python -m peer_relay`."""

from __future__ import annotations

import gc


def main() -> None:
    """Run the program and end the process."""
    gc.disable()  # importing makes no garbage; the first command's module is the last import, see `peer_relay.cli`
    from peer_relay.cli import main as run  # noqa: PLC0415 - see above

    run()


if __name__ == "__main__":
    main()
