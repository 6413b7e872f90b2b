"""Versions: of this Python and of the installed libraries, against what the package asks for."""

from __future__ import annotations

import pytest

from peer_relay.doctor.findings import failed, ok, warning
from peer_relay.doctor.versions import check_packages, check_python, is_within

PYTHON = "/usr/bin/python3"
REQUIRED = ["click<9,>=8.5", "rich>=15.0", "mypy>=2.4; extra == 'dev'"]


@pytest.mark.parametrize(
    ("version", "ranges", "within"),
    [
        ("3.11.2", ">=3.11", True),
        ("3.9.20", ">=3.11", False),
        ("8.5", "<9,>=8.5.0", True),
        ("9.0.1", "<9,>=8.5", False),
        ("8.10.1", ">=8.5,<9", True),
        ("16.0rc1", ">=15", True),
        ("odd", ">=1", False),
        ("1", "", True),
    ],
)
def test_a_version_is_within_ranges_by_its_numbers(version: str, ranges: str, *, within: bool) -> None:
    assert is_within(version, ranges) is within


def test_the_python_is_told_with_its_path() -> None:
    assert check_python("3.11.2", ">=3.11", PYTHON) == ok("3.11.2, at /usr/bin/python3.")
    found = check_python("3.10.1", ">=3.11", PYTHON)
    assert found == failed(
        "3.10.1 (/usr/bin/python3) is outside of what peer-relay was made for, >=3.11.",
        advice="Install peer-relay with another Python.",
    )


def test_all_libraries_are_told_with_their_versions() -> None:
    found = check_packages(REQUIRED, {"click": "8.5.1", "rich": "15.0.0"}.get, "0.1.0", PYTHON)
    assert found == ok("peer-relay 0.1.0 with click 8.5.1, rich 15.0.0.")


def test_a_library_that_is_missing_or_too_old_is_named_with_the_command_that_brings_it() -> None:
    found = check_packages(REQUIRED, {"click": "7.1"}.get, "0.1.0", PYTHON)
    assert found == failed(
        "Not as peer-relay 0.1.0 needs it: click 7.1 is not within <9,>=8.5 and rich is missing.",
        fix="/usr/bin/python3 -m pip install 'click<9,>=8.5' 'rich>=15.0'",
    )


def test_a_program_that_is_not_installed_says_so() -> None:
    assert check_packages(None, {}.get, "0.1.0", PYTHON) == warning(
        "peer-relay 0.1.0 runs from its source and is not installed, so its libraries cannot be compared.",
        fix="/usr/bin/python3 -m pip install peer-relay",
    )
