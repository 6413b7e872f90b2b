"""What `make dist` put into dist/ and sbom/: nothing is missing from it, nothing else is in it, and it runs.

It is no `test_*.py`, because it is about files that only `make dist` makes: that target runs it by name.
"""

from __future__ import annotations

import email
import json
import os
import re
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import peer_relay
from tests.servers import run_git
from tests.source import PACKAGE
from tests.supply_chain import sbom
from tests.supply_chain.pins import PROJECT, RUNTIME, pins

if TYPE_CHECKING:
    from email.message import Message

ROOT = Path(__file__).parents[1]
NAME = f"peer_relay-{peer_relay.__version__}"
WHEEL = ROOT / "dist" / f"{NAME}-py3-none-any.whl"
SOURCE = ROOT / "dist" / f"{NAME}.tar.gz"


def metadata() -> Message:
    with zipfile.ZipFile(WHEEL) as wheel:
        return email.message_from_bytes(wheel.read(f"{NAME}.dist-info/METADATA"))


def test_there_is_one_wheel_and_one_source_distribution_of_this_version() -> None:
    assert set((ROOT / "dist").iterdir()) == {WHEEL, SOURCE}


def test_the_wheel_holds_the_package_and_nothing_else() -> None:
    package = {path.relative_to(ROOT).as_posix() for path in PACKAGE.rglob("*") if path.is_file()}
    package = {name for name in package if "__pycache__" not in name}
    about = {f"{NAME}.dist-info/{name}" for name in ("METADATA", "WHEEL", "RECORD", "entry_points.txt")}
    with zipfile.ZipFile(WHEEL) as wheel:
        assert set(wheel.namelist()) == package | about | {f"{NAME}.dist-info/licenses/LICENSE"}


def test_the_source_distribution_holds_all_that_is_in_the_repository() -> None:
    if not (ROOT / ".git").exists():
        pytest.skip("this is no git checkout")
    listed = run_git("ls-files", "-z", "--cached", "--others", "--exclude-standard", cwd=ROOT).decode().split("\0")
    there = {name for name in listed if name and (ROOT / name).is_file()}
    with tarfile.open(SOURCE) as source:
        assert {name.partition("/")[2] for name in source.getnames()} == there | {"PKG-INFO"}


def test_the_description_leads_from_any_page_to_the_files_of_this_version() -> None:
    links = set(re.findall(r"\]\(([^)#][^)]*)\)", str(metadata().get_payload())))
    files = {link.partition(f"/v{peer_relay.__version__}/")[2] for link in links if "/peer-relay/peer-relay/" in link}
    assert [link for link in links if not link.startswith("https://")] == []
    assert {"CHANGELOG.md", "docs/README.md", "docs/pictures/demo.svg"} <= files
    assert [name for name in files if not (ROOT / name).is_file()] == []


def test_the_description_says_to_the_mcp_registry_whose_server_it_is() -> None:
    name = json.loads((ROOT / "server.json").read_text(encoding="utf-8"))["name"]
    assert f"mcp-name: {name} " in str(metadata().get_payload())


def test_the_metadata_says_what_pyproject_says() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    said = metadata()
    assert said["Name"] == project["name"]
    assert said["License-Expression"] == "MIT"
    assert said.get_all("Project-URL") == [f"{name}, {address}" for name, address in project["urls"].items()]
    needs = {re.split(r"[<>=]", each)[0] for each in said.get_all("Requires-Dist", []) if "extra" not in each}
    assert needs == {re.split(r"[<>=]", each)[0] for each in project["dependencies"]}


def test_the_wheel_runs_away_from_the_repository(tmp_path: Path) -> None:
    script = "import peer_relay.__main__; print(peer_relay.__file__, flush=True); peer_relay.__main__.main()"
    done = subprocess.run(
        [sys.executable, "-c", script, "--version"],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={"PYTHONPATH": str(WHEEL), "HOME": str(tmp_path)},
        timeout=30,
        check=False,
    )
    expected = [str(WHEEL / "peer_relay" / "__init__.py"), f"peer-relay {peer_relay.__version__}"]
    assert (done.returncode, done.stderr, done.stdout.splitlines()) == (0, "", expected)


def test_whoever_builds_it_again_elsewhere_gets_the_same_bytes(tmp_path: Path) -> None:
    # In another folder, time zone and language, at another time, with other permissions and another seed for hashes.
    with tarfile.open(SOURCE) as source:
        source.extractall(tmp_path, filter="data")
    folder = tmp_path / NAME
    (folder / "PKG-INFO").unlink()  # the rest is what a checkout has
    for path in [folder, *folder.rglob("*")]:
        path.chmod(0o700 if path.is_dir() or path.stat().st_mode & 0o100 else 0o600)
        os.utime(path, (1_000_000_000, 1_000_000_000))
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "--directory", tmp_path / "again"],
        cwd=folder,
        env={
            "PATH": os.environ["PATH"],
            "HOME": str(tmp_path),
            "TZ": "Asia/Kathmandu",
            "LC_ALL": "C",
            "PYTHONHASHSEED": "7",
        },
        umask=0o077,
        timeout=50,
        check=True,
    )
    again = {path.name: path.read_bytes() for path in (tmp_path / "again").iterdir()}
    assert [name for name in (WHEEL.name, SOURCE.name) if again[name] != (ROOT / "dist" / name).read_bytes()] == []


def test_the_bill_of_materials_has_all_that_this_version_needs_and_what_needs_what() -> None:
    (path,) = (ROOT / "sbom").iterdir()
    said = json.loads(path.read_text(encoding="utf-8"))
    pinned = {f"pkg:pypi/{each.name}@{each.version}": each for each in pins(RUNTIME)}
    project = f"pkg:pypi/peer-relay@{peer_relay.__version__}"
    assert (path.name, said["specVersion"], said["metadata"]["component"]["purl"]) == (sbom.NAME, "1.6", project)
    assert [each["purl"] for each in said["components"]] == list(pinned)
    hashes = {each["purl"]: {known["content"] for known in files(each)} for each in said["components"]}
    assert hashes == {purl: set(each.sha256) for purl, each in pinned.items()}
    needs = {each["ref"]: set(each.get("dependsOn", [])) for each in said["dependencies"]}
    assert needs[project] == {purl for purl, each in pinned.items() if PROJECT in each.needed_by}
    assert set(needs) == {project, *pinned}
    assert set().union(*needs.values()) == set(pinned)


def files(component: dict[str, Any]) -> list[dict[str, str]]:
    (found,) = component["externalReferences"]
    hashes: list[dict[str, str]] = found["hashes"]
    return hashes


def test_the_bill_of_materials_is_the_same_each_time_it_is_made() -> None:
    assert sbom.bill_of_materials(pins(RUNTIME)) == (ROOT / "sbom" / sbom.NAME).read_text(encoding="utf-8")
