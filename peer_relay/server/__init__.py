"""The MCP face: four tools and three prompts on standard input and output, for both eras of the protocol.

1. Standard output carries JSON-RPC and nothing else.
2. Nothing of the mailbox is touched before the client's first request was answered.
3. A signal and the end of input end the process within 100 ms, with exit status 0.
"""

from __future__ import annotations

import gc
from typing import TYPE_CHECKING

from peer_relay.server.ending import Ending

if TYPE_CHECKING:
    from collections.abc import Callable

    from peer_relay.relay import Relay


def run(open_relay: Callable[[], Relay], session: str = "", *, pushes: bool = False) -> None:
    """Serve tools and prompts until the client or a signal ends it. Does not return: it ends the process.

    Args:
        open_relay: makes the relay. It is called from a worker thread, first after the first answered request. When it
            raises a `PeerRelayError`, that is what each tool call returns, and the next call tries again.
        session: the client's name for its session, by which its hooks know it; empty if there is none.
        pushes: whether what arrives is pushed, too, as `peer_relay.server.channel` says.
    """
    ending = Ending()
    ending.install()
    gc.disable()  # importing makes no garbage, and what is imported stays: looking through it takes a tenth of a start
    from peer_relay.server.process import serve  # noqa: PLC0415 - takes half a second; a signal already works now

    gc.freeze()
    gc.enable()
    serve(open_relay, ending, session, pushes=pushes)
