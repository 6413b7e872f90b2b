"""The promises that the documentation makes, each with the name under which a test claims to show it.

A test says what it shows: `@claim("I3")`, with the names as literals, because `tests/test_claims.py` reads them
from the source. A promise without a test and a name without a promise both fail there.
"""

from __future__ import annotations

import pytest

CLAIMS = {
    "I1": "A room's history is one line of commits; each adds exactly one record file, or archives by the rule.",
    "I2": "A commit is accepted only if rebuilding it from its parent and its record gives the same bytes.",
    "I3": "An honest writer puts a record in exactly once, whatever crashed, was retried or was lost on the way.",
    "I4": "What the caller was told is delivered is in the mailbox; what it was told is queued is on this disk.",
    "I5": "Publishing is a compare-and-swap: when the branch moved, plan again; never merge, never force.",
    "I6": "A rewritten, deleted or inexact branch is refused by name; what was verified before is still served.",
    "I7": "An answer is unread until the session that was shown it sends another request.",
    "I8": "Reading never writes to the mailbox, and an idle relay makes no commit.",
    "I9": "Nothing from a peer or a remote reaches a terminal, a log or a model unchecked.",
    "I10": "No secret is ever written to the mailbox, a log, an error, argv or stdout.",
    "trust-model": "Only the documented fields are stored, and plain git can check that nothing was ever changed.",
    "archive-rule": "At 512 answered exchanges the only commit that may follow archives all but the newest 256.",
    "delivered-or-queued": "Without a remote a record is queued, and it goes out later without anybody's help.",
    "stdout-is-json-rpc": "The server writes nothing but JSON-RPC to its standard output.",
    "no-network-before-initialize": "The server answers initialize before any disk or network work on the mailbox.",
    "no-secret-goes-out": "A text that holds a secret of a known format is refused before anything is stored.",
    "secrets-never-shown": "Neither a room token nor a credential appears in a result, a message or a log.",
    "channel-says-facts": "A channel push says facts alone, and marks nothing as read.",
    "deadline": "Every operation ends by its deadline, also when the remote accepts and then says nothing.",
    "first-answer-wins": "The first answer wins, and a second one is refused with the fact that it came second.",
    "isolation": "A token opens its own room and no other, and only the two named peers take part in it.",
    "hook-is-silent": "A hook speaks only of what is new, in facts, and its failures never reach the client.",
    "signed-by-the-pinned-key": "What a peer writes once its key is pinned is accepted only if that key signed it.",
    "memory-bounds": "Nothing that a remote sends makes the process take more than a fixed amount of memory.",
}


def claim(*names: str) -> pytest.MarkDecorator:
    """Mark a test as one that shows the named promises to hold."""
    return pytest.mark.claim(*names)
