"""Times of records: milliseconds since 1970 in UTC, and their one written form, by integer arithmetic alone.

1. The written form is exactly `YYYY-MM-DDTHH:MM:SS.mmmZ`, from 1970-01-01 to 9999-12-31, without leap seconds.
2. Nothing here goes through a float: one millisecond in forty would come out wrong.
3. A time is for display and for names of folders; no rule compares two of them.
"""

from __future__ import annotations

import datetime as dt
import functools
import re

MAX_MS = 253_402_300_799_999
"""The last millisecond of 9999-12-31."""

_DAY_MS = 86_400_000
_EPOCH_DAY = dt.date(1970, 1, 1).toordinal()
_WRITTEN = re.compile(r"(\d{4})-(\d{2})-(\d{2})T([01]\d|2[0-3]):([0-5]\d):([0-5]\d)\.(\d{3})Z", re.ASCII)

TIME_PATTERN = (
    "(?:19[7-9][0-9]|[2-9][0-9]{3})-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12][0-9]|3[01])"
    "T(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]\\.[0-9]{3}Z"
)
"""The written form for the JSON Schemas, as near as a regular expression comes: it knows no lengths of months."""


def format_date(ms: int) -> str:
    """Return the UTC date of a time as `YYYY-MM-DD`.

    Args:
        ms: milliseconds since 1970, 0 to `MAX_MS`.
    """
    return _written_day(ms // _DAY_MS)


@functools.lru_cache(128)
def _written_day(number: int) -> str:
    """Return a day by its number; what is read together is of few days."""
    return dt.date.fromordinal(_EPOCH_DAY + number).isoformat()


def format_ms(ms: int) -> str:
    """Return the written form of a time.

    Args:
        ms: milliseconds since 1970, 0 to `MAX_MS`.
    """
    seconds, milli = divmod(ms % _DAY_MS, 1000)
    minutes, second = divmod(seconds, 60)
    hour, minute = divmod(minutes, 60)
    return f"{format_date(ms)}T{hour:02}:{minute:02}:{second:02}.{milli:03}Z"


def parse_ms(text: str) -> int:
    """Return the milliseconds since 1970 of a written time.

    Raises:
        ValueError: the text is not a written form, or no such day exists.
    """
    match = _WRITTEN.fullmatch(text)
    if match is None:
        raise ValueError("must be a time such as 2026-11-22T09:30:00.000Z")
    year, month, day, hour, minute, second, milli = map(int, match.groups())
    try:
        days = dt.date(year, month, day).toordinal() - _EPOCH_DAY
    except ValueError:
        raise ValueError("must be a day that exists") from None
    if days < 0:
        raise ValueError("must not be before 1970")
    return days * _DAY_MS + ((hour * 60 + minute) * 60 + second) * 1000 + milli
