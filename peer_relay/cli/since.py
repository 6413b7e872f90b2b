"""A time in the past as people type it: a day, a minute of a day, or so long ago. It is this machine's local time."""

from __future__ import annotations

import re
from datetime import datetime, timedelta

import click

from peer_relay.clock import system_ms

_AGO = re.compile(r"(\d{1,9})([dhm])", re.ASCII)
_DATE = re.compile(r"\d{4}-\d\d-\d\d(T\d\d:\d\d)?", re.ASCII)
_FORMS = "a local time such as 2026-11-20 or 2026-11-20T10:00, or how long ago: 3d, 2h or 90m"
_UNITS = {"d": "days", "h": "hours", "m": "minutes"}


class Since(click.ParamType[int]):
    """The times from which on something counts; its value is in milliseconds since 1970."""

    name = "WHEN"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Return the time; what is none is wrong usage, and the forms are named."""
        try:
            moment = _moment(value.strip())
        except (ValueError, OverflowError, OSError):
            moment = None
        if moment is None:
            self.fail(f"must be {_FORMS}.", param, ctx)
        return moment


def _moment(text: str) -> int | None:
    ago = _AGO.fullmatch(text)
    if ago is not None:
        return max(0, system_ms() - timedelta(**{_UNITS[ago[2]]: int(ago[1])}) // timedelta(milliseconds=1))
    if _DATE.fullmatch(text) is None:
        return None
    return int(datetime.fromisoformat(text).astimezone().timestamp()) * 1000
