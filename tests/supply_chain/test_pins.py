"""The files of `make lock`, against pyproject.toml and each other: nothing in them is stale or left unpinned."""

from __future__ import annotations

import re
import tomllib
from typing import TYPE_CHECKING, Any

import pytest
from packaging.markers import default_environment
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.supply_chain.pins import DEV, PROJECT, ROOT, RUNTIME, Pin, pins

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

PROJECT_TABLE: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
NEEDED = [Requirement(each) for each in PROJECT_TABLE["dependencies"]]
TOOLS = [Requirement(each) for each in PROJECT_TABLE["optional-dependencies"]["dev"]]
PYTHONS = [found[1] for each in PROJECT_TABLE["classifiers"] if (found := re.search(r":: (3\.\d+)$", each))]
SYSTEMS = {"Linux": ("posix", "linux"), "Darwin": ("posix", "darwin"), "Windows": ("nt", "win32")}


def unmet(wanted: Iterable[Requirement], pinned: list[Pin]) -> list[str]:
    """Return what is wanted and not pinned, or pinned in another version than is wanted, or by nobody's wish."""
    there = {each.name: each for each in pinned if PROJECT in each.needed_by}
    names = {canonicalize_name(each.name): each for each in wanted}
    return sorted(
        [str(each) for name, each in names.items() if name not in there or there[name].version not in each.specifier]
        + [f"nobody wants {name}" for name in there if name not in names]
    )


def test_what_peer_relay_needs_is_pinned_in_a_version_that_it_may_have() -> None:
    assert unmet(NEEDED, pins(RUNTIME)) == []


def test_the_tools_are_pinned_beside_it_in_a_version_that_they_may_have() -> None:
    assert unmet([*NEEDED, *TOOLS], pins(DEV)) == []


def test_what_builds_the_package_is_among_the_tools() -> None:
    build = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["build-system"]["requires"]
    assert set(build) <= set(PROJECT_TABLE["optional-dependencies"]["dev"])


def test_each_library_has_its_reason_in_contributing() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8").partition("## What it is made of")[2]
    assert re.findall(r"^\| `([\w-]+)` \| .+ \|$", text, re.MULTILINE) == sorted(each.name for each in NEEDED)


def test_both_files_have_the_same_version_and_files_of_what_is_in_both() -> None:
    dev = {each.name: (each.version, each.sha256) for each in pins(DEV)}
    assert [each.name for each in pins(RUNTIME) if dev.get(each.name) != (each.version, each.sha256)] == []


@pytest.mark.parametrize("path", [RUNTIME, DEV], ids=lambda path: path.stem)
@pytest.mark.parametrize("system", SYSTEMS)
@pytest.mark.parametrize("python", PYTHONS)
def test_each_system_and_python_gets_one_version_of_each_package(path: Path, system: str, python: str) -> None:
    os_name, platform = SYSTEMS[system]
    here = {
        **default_environment(),
        "python_version": python,
        "python_full_version": f"{python}.0",
        "platform_system": system,
        "os_name": os_name,
        "sys_platform": platform,
    }
    installed = [each.name for each in pins(path) if each.marker is None or each.marker.evaluate(here)]
    assert len(installed) == len(set(installed))
    assert {each.name for each in pins(path) if PROJECT in each.needed_by} <= set(installed)
    assert ("pywin32" in installed) == (system == "Windows")


@pytest.mark.parametrize("path", [RUNTIME, DEV], ids=lambda path: path.stem)
def test_the_files_say_nothing_about_where_the_packages_came_from(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    somewhere = r"://|^-.*|^ +(?!--hash=|#| ).*| @ |[\w-]+\.(?:com|org|net|io)\b"
    assert re.findall(somewhere, text, re.MULTILINE) == []
    assert {len(each.sha256) > 0 for each in pins(path)} == {True}


@pytest.mark.parametrize(
    "text",
    [
        "click==8.5.1\n",
        "click==8.5.1 \\\n    --hash=md5:00\n",
        "--index-url https://packages.example\nclick==8.5.1 \\\n    --hash=sha256:00\n",
        f"click>=8 \\\n    --hash=sha256:{'0' * 64}\n",
        f"click==8.* \\\n    --hash=sha256:{'0' * 64}\n",
        f"click==8.5.1 \\\n    --hash=sha256:{'0' * 64}\n    https://packages.example/click.whl\n",
    ],
)
def test_a_file_with_anything_but_exact_versions_and_their_hashes_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "runtime.txt"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ValueError, match=r"has a package without a hash|is no exact version"):
        pins(path)


def test_a_stale_pin_and_a_missing_one_and_one_too_many_are_noticed() -> None:
    pinned = [Pin("click", "8.4.0", None, ("00",), (PROJECT,)), Pin("left", "1.0", None, ("00",), (PROJECT,))]
    wanted = [Requirement("click>=8.5,<9"), Requirement("rich>=15.0")]
    assert unmet(wanted, pinned) == ["click<9,>=8.5", "nobody wants left", "rich>=15.0"]
