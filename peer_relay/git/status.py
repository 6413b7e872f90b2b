"""What an http answer means that is not the wanted one: which of our errors a status and its headers are.

1. Pure, but for the clock that a `Retry-After` date is compared with, which is an argument.
2. After a push was sent, a status decides only where http says that the request was not carried out (`is_final`).
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import TYPE_CHECKING
from urllib.parse import urljoin, urlsplit

from peer_relay.errors import (
    AccessDenied,
    NotAGitServer,
    PushBlocked,
    PushRefused,
    RateLimited,
    RepositoryNotFound,
    TransportError,
    Unreachable,
    in_quotes,
)
from peer_relay.git.words import clean

if TYPE_CHECKING:
    from collections.abc import Mapping

_LONGEST_PAUSE_S = 86_400.0
_SHOWN_LIMIT = 200


@dataclass(frozen=True)
class Answer:
    """An answer as far as it is looked at.

    Attributes:
        url: the address that was asked, without any login.
        status: the status code.
        headers: the headers, fit to be shown; names are not case sensitive.
        words: what a text/plain body says, fit to be shown; empty otherwise.
        is_push: whether this is about a push that was sent, not about the listing before it.
        act: `read` or `write`.
    """

    url: str
    status: int
    headers: Mapping[str, str]
    words: str
    is_push: bool
    act: str

    @property
    def reason(self) -> str:
        """The status, with what the server says about it."""
        try:
            phrase = f" {HTTPStatus(self.status).phrase}"
        except ValueError:
            phrase = ""
        return f"HTTP {self.status}{phrase}" + (f": {in_quotes(self.words.rstrip('.'))}" if self.words else "")

    @property
    def is_final(self) -> bool:
        """Whether the request was certainly not carried out.

        A gateway's 5xx says nothing about what is behind it, a 1xx comes before an answer, and a 2xx is one.
        """
        return 300 <= self.status < 500 and self.status != HTTPStatus.REQUEST_TIMEOUT


def status_error(remote: str, answer: Answer, now: datetime) -> TransportError:  # noqa: PLR0911 - a table, read downwards
    """Return the error for an answer whose status is neither 200 nor 401.

    Args:
        remote: the address of the mailbox as it may be shown.
        answer: the answer.
        now: the time with its zone.
    """
    status, pause = answer.status, answer.headers.get("Retry-After")
    if status == HTTPStatus.TOO_MANY_REQUESTS or (pause is not None and status in (403, 503)):
        return RateLimited(remote=remote, retry_after_s=retry_after_s(pause, now))
    if 300 <= status < 400:
        return _redirected(remote, answer)
    if status == HTTPStatus.FORBIDDEN:
        return AccessDenied(remote=remote, act=answer.act, reason=answer.reason)
    if status in (HTTPStatus.NOT_FOUND, HTTPStatus.GONE):
        return RepositoryNotFound(remote=remote)
    if status >= 500:
        return Unreachable(remote=remote, reason=answer.reason, advice="Wait: the fault is the host's own.")
    if answer.is_push and status >= 400:
        # Only its size can be what an http server or a proxy has against one push and not against every other.
        return (PushRefused if status == 413 else PushBlocked)(remote=remote, words=answer.reason)
    return NotAGitServer(remote=remote, reason=answer.reason)


def retry_after_s(value: str | None, now: datetime) -> float | None:
    """Return the seconds of a `Retry-After` header (RFC 9110, 10.2.3), a day at most; None if it makes no sense."""
    if value is None:
        return None
    if re.fullmatch(r"[0-9]+", stripped := value.strip(), re.ASCII):
        return min(float(stripped), _LONGEST_PAUSE_S)
    try:
        when = parsedate_to_datetime(value)
        seconds = (when if when.tzinfo else when.replace(tzinfo=UTC)) - now
    except (ValueError, OverflowError):
        return None
    return float(min(max(0, math.ceil(seconds.total_seconds())), _LONGEST_PAUSE_S))


def _redirected(remote: str, answer: Answer) -> NotAGitServer:
    """Return the error that names the new address without anything secret in it."""
    location = answer.headers.get("Location", "")
    try:
        target = urlsplit(urljoin(answer.url, location))
        host = target.netloc.rpartition("@")[2]
    except ValueError:
        location = ""
    if not location:
        return NotAGitServer(remote=remote, reason=f"{answer.reason} without an address")
    path = re.sub(r"/(info/refs|git-upload-pack|git-receive-pack)$", "", target.path)
    shown = clean(f"{target.scheme}://{host}{path}", limit=_SHOWN_LIMIT)
    reason = f"it sends on to {shown}, which is not followed"
    return NotAGitServer(remote=remote, reason=reason, advice="Use that address if you trust it.")
