"""Times are read and written by integers alone, and in one form only."""

from __future__ import annotations

import datetime as dt
import re

import pytest
from hypothesis import example, given

from peer_relay.times import MAX_MS, TIME_PATTERN, format_date, format_ms, parse_ms
from tests.pure.samples import times

EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)


@given(times)
@example(0)
@example(MAX_MS)
@example(1_795_340_000_123)
def test_a_time_is_written_as_the_calendar_says_and_read_back(ms: int) -> None:
    moment = EPOCH + dt.timedelta(milliseconds=ms)
    expected = moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    assert (format_ms(ms), format_date(ms), parse_ms(expected)) == (expected, expected[:10], ms)
    assert re.fullmatch(TIME_PATTERN, expected)


@pytest.mark.parametrize(
    ("ms", "expected"),
    [
        (0, "1970-01-01T00:00:00.000Z"),
        (1, "1970-01-01T00:00:00.001Z"),
        (86_399_999, "1970-01-01T23:59:59.999Z"),
        (86_400_000, "1970-01-02T00:00:00.000Z"),
        (951_782_400_000, "2000-02-29T00:00:00.000Z"),
        (1_795_340_000_123, "2026-11-22T09:33:20.123Z"),
        (253_402_300_799_999, "9999-12-31T23:59:59.999Z"),
    ],
)
def test_known_times(ms: int, expected: str) -> None:
    assert (format_ms(ms), parse_ms(expected)) == (expected, ms)


def test_the_last_millisecond_of_the_year_9999_is_the_largest() -> None:
    assert parse_ms("9999-12-31T23:59:59.999Z") == MAX_MS
    with pytest.raises(ValueError):
        format_ms(MAX_MS + 1)


FORM = "must be a time such as 2026-11-22T09:30:00.000Z"
DAY = "must be a day that exists"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", FORM),
        ("2026-11-22T09:30:00.000", FORM),
        ("2026-11-22T09:30:00.000z", FORM),
        ("2026-11-22T09:30:00.000+00:00", FORM),
        ("2026-11-22t09:30:00.000Z", FORM),
        ("2026-11-22 09:30:00.000Z", FORM),
        ("2026-11-22T09:30:00Z", FORM),
        ("2026-11-22T09:30:00.00Z", FORM),
        ("2026-11-22T09:30:00.0000Z", FORM),
        ("2026-11-22T09:30:00,000Z", FORM),
        ("2026-11-22T24:00:00.000Z", FORM),
        ("2026-11-22T09:60:00.000Z", FORM),
        ("2026-11-22T23:59:60.000Z", FORM),
        ("2026-1-22T09:30:00.000Z", FORM),
        ("12026-11-22T09:30:00.000Z", FORM),
        ("-2026-11-22T09:30:00.000Z", FORM),
        (" 2026-11-22T09:30:00.000Z", FORM),
        ("2026-11-22T09:30:00.000Z\n", FORM),
        ("２０２６-11-22T09:30:00.000Z", FORM),  # noqa: RUF001 - digits that int() would read
        ("0000-11-22T09:30:00.000Z", DAY),
        ("2026-00-22T09:30:00.000Z", DAY),
        ("2026-13-22T09:30:00.000Z", DAY),
        ("2026-11-00T09:30:00.000Z", DAY),
        ("2026-11-31T09:30:00.000Z", DAY),
        ("2026-02-29T09:30:00.000Z", DAY),
        ("2100-02-29T09:30:00.000Z", DAY),
        ("1969-12-31T23:59:59.999Z", "must not be before 1970"),
        ("0001-01-01T00:00:00.000Z", "must not be before 1970"),
    ],
)
def test_any_other_form_is_refused(text: str, message: str) -> None:
    with pytest.raises(ValueError) as caught:
        parse_ms(text)
    assert str(caught.value) == message
