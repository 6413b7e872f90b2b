"""Whether this Python and the installed libraries are of versions that peer-relay was made for."""

from __future__ import annotations

import re
from itertools import zip_longest
from typing import TYPE_CHECKING

from peer_relay.doctor.findings import failed, listed, ok, warning

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from peer_relay.doctor.findings import Finding

_REQUIREMENT = re.compile(r"(?P<name>[A-Za-z0-9._-]+)\s*(?P<ranges>[^;]*)(?:;(?P<marker>.*))?")
_RANGE = re.compile(r"(?P<sign>>=|<)\s*(?P<version>[0-9.]+)")


def check_python(running: str, required: str, python: str) -> Finding:
    """Check the running Python.

    Args:
        running: its version.
        required: the range that the package states, such as `>=3.11`.
        python: its path.
    """
    if is_within(running, required):
        return ok(f"{running}, at {python}.")
    return failed(
        f"{running} ({python}) is outside of what peer-relay was made for, {required}.",
        advice="Install peer-relay with another Python.",
    )


def check_packages(
    requirements: Sequence[str] | None, version_of: Callable[[str], str | None], own: str, python: str
) -> Finding:
    """Check the installed libraries.

    Args:
        requirements: what the installed package requires, each as its metadata has it; None if it is not installed.
        version_of: returns the version of an installed package, or None.
        own: the version of peer-relay.
        python: the path of the running Python.
    """
    if requirements is None:
        what = f"peer-relay {own} runs from its source and is not installed, so its libraries cannot be compared."
        return warning(what, fix=f"{python} -m pip install peer-relay")
    parsed = [match for each in requirements if (match := _REQUIREMENT.match(each)) and not match["marker"]]
    versions = {match["name"]: version_of(match["name"]) for match in parsed}
    wrong = [match for match in parsed if not _fits(versions[match["name"]], match["ranges"])]
    if not wrong:
        return ok(f"peer-relay {own} with {', '.join(f'{name} {version}' for name, version in versions.items())}.")
    said = [_said(match["name"], versions[match["name"]], match["ranges"]) for match in wrong]
    wanted = " ".join(f"'{match['name']}{match['ranges']}'" for match in wrong)
    return failed(f"Not as peer-relay {own} needs it: {listed(said)}.", fix=f"{python} -m pip install {wanted}")


def is_within(version: str, ranges: str) -> bool:
    """Say whether a version is within ranges of the two kinds that this package uses: `>=` and `<`.

    Only the numbers count. The letters of a version before its release make it no older, which suffices for a hint.
    """
    for match in _RANGE.finditer(ranges):
        numbers, limit = _padded(_numbers(version), _numbers(match["version"]))
        if (numbers < limit) if match["sign"] == ">=" else (numbers >= limit):
            return False
    return True


def _said(name: str, version: str | None, ranges: str) -> str:
    return f"{name} is missing" if version is None else f"{name} {version} is not within {ranges}"


def _fits(version: str | None, ranges: str) -> bool:
    return version is not None and is_within(version, ranges)


def _numbers(version: str) -> list[int]:
    match = re.match(r"[0-9]+(\.[0-9]+)*", version)
    return [int(each) for each in match[0].split(".")] if match else []


def _padded(one: list[int], other: list[int]) -> tuple[list[int], list[int]]:
    """Return two versions with as many numbers each, because 4.2 and 4.2.0 are the same."""
    pairs = list(zip_longest(one, other, fillvalue=0))
    return [first for first, _ in pairs], [second for _, second in pairs]
