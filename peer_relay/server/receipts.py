"""Which answers were shown in which result, and which of these results have certainly arrived (I7).

1. *Must*: an answer is confirmed only by a request that was read after the result that shows it was completely written.
2. *Must*: the result of a cancelled call confirms nothing, also when it was written before the cancellation was read.
3. The end of input confirms nothing.

A result counts as written from the same instant in which its last byte goes out, so a client that answers fast never
finds that its request came too early. Nothing here outlives the process.
"""

from __future__ import annotations

import contextlib
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

RequestId = int | str
NOTHING: frozenset[str] = frozenset()


class Receipts:
    """The state of one session. Every method may be called from any thread.

    A request id counts as the same whether it is a number or the same number as a string, as it does in the SDK.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._shown: dict[str, frozenset[str]] = {}
        self._written: dict[str, tuple[int, frozenset[str]]] = {}
        self._cancelled: set[str] = set()
        self._results = 0

    def show(self, request_id: RequestId, question_ids: Iterable[str]) -> None:
        """Note which answers the result of a request, about to be written, shows.

        Of two requests that are under way with one id neither confirms anything: nobody knows which result is whose.
        """
        with self._lock:
            key = str(request_id)
            if key not in self._cancelled:
                self._shown[key] = NOTHING if key in self._shown else frozenset(question_ids)

    @contextlib.contextmanager
    def last_byte_of(self, request_id: RequestId) -> Iterator[None]:
        """Hold this while the last byte of a request's result goes out."""
        with self._lock:
            yield
            self._results += 1
            shown = self._shown.pop(str(request_id), NOTHING)
            if shown:
                self._written[str(request_id)] = (self._results, shown)

    def moment(self) -> int:
        """Return the number of results that have been written completely. Ask for it directly after reading."""
        with self._lock:
            return self._results

    def request_read(self, request_id: RequestId, moment: int) -> frozenset[str]:
        """Note a request.

        Args:
            request_id: its id.
            moment: what `moment()` was when its first byte was read.

        Returns:
            The question ids of the answers that it confirms; each is returned once.
        """
        with self._lock:
            self._cancelled.discard(str(request_id))
            arrived = [key for key, (number, _) in self._written.items() if number <= moment]
            return NOTHING.union(*(self._written.pop(key)[1] for key in arrived))

    def cancelled(self, request_id: RequestId) -> None:
        """Note that the client does not want the result of a request any more, whether it is out or not."""
        with self._lock:
            self._cancelled.add(str(request_id))
            self._shown.pop(str(request_id), None)
            self._written.pop(str(request_id), None)
