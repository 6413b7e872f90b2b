"""Every error that a person or a model can meet, as a realistic instance: the input of `test_error_catalogue`.

Wherever it is cheap, the code that raises an error in earnest is made to raise it, with secrets in everything that it
is given. The others are built with words as they occur.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from peer_relay.errors import LocalError, MailboxError, PeerRelayError, RequestError, TransportError
from tests.catalogue.entry import SECRETS, Entry
from tests.catalogue.mailbox import machine, mailbox
from tests.catalogue.requests import requests, settings
from tests.catalogue.transport import on_disk, over_and_over, over_http, over_ssh

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["SECRETS", "Entry", "entries"]


def entries() -> dict[str, Entry]:
    """Return every entry by its name, with the branch of the tree that it is about."""
    groups: dict[type[PeerRelayError], tuple[Callable[[], Iterator[Entry]], ...]] = {
        RequestError: (requests, settings),
        MailboxError: (mailbox,),
        TransportError: (over_http, over_ssh, over_and_over, on_disk),
        LocalError: (machine,),
    }
    found: dict[str, Entry] = {"anything else": Entry("anything else", lambda _: PeerRelayError())}
    for branch, makers in groups.items():
        for entry in (entry for maker in makers for entry in maker()):
            name = f"{branch.__name__}: {entry.name}"
            assert name not in found, name
            found[name] = entry
    return found
