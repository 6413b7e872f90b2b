"""What GitHub runs for this repository, as far as it can be seen from here: that nothing in it has gone stale."""

from __future__ import annotations

import os
import re
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

import peer_relay

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / ".github" / "workflows"


def workflow(name: str) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((FOLDER / name).read_text(encoding="utf-8"))
    return found


WORKFLOWS = {path.name: workflow(path.name) for path in sorted(FOLDER.iterdir())}
STEPS = [
    (name, job, step)
    for name, content in WORKFLOWS.items()
    for job, described in content["jobs"].items()
    for step in described["steps"]
]


def step_named(name: str, job: str, title: str) -> dict[str, Any]:
    (found,) = [step for file, of, step in STEPS if (file, of, step.get("name")) == (name, job, title)]
    return found


def test_the_tests_run_on_every_python_that_the_package_promises() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    promised = [found[1] for each in project["classifiers"] if (found := re.search(r":: (3\.\d+)$", each))]
    jobs = WORKFLOWS["ci.yml"]["jobs"]
    assert {name: job["strategy"]["matrix"]["python"] for name, job in jobs.items()} == {
        "linux": promised,
        "elsewhere": promised,
    }
    assert project["requires-python"] == f">={promised[0]}"


def test_what_is_left_out_elsewhere_is_there() -> None:
    (windows,) = WORKFLOWS["ci.yml"]["jobs"]["elsewhere"]["strategy"]["matrix"]["include"]
    left_out = [each.partition("=")[2] for each in windows["without"].split()]
    assert [name for name in left_out if not (ROOT / name).exists()] == []


@pytest.mark.parametrize("name", WORKFLOWS)
def test_no_job_may_do_more_than_it_says(name: str) -> None:
    may = {job: described["permissions"] for job, described in WORKFLOWS[name]["jobs"].items()}
    assert WORKFLOWS[name]["permissions"] == {}
    identified = {"pypi", "registry"} & set(may)
    assert {job for job, allowed in may.items() if allowed.get("id-token") == "write"} == identified
    assert {access for allowed in may.values() for to, access in allowed.items() if to != "id-token"} == {"read"}


def test_every_action_is_named_by_a_commit_with_its_version_beside_it() -> None:
    text = "".join(path.read_text(encoding="utf-8") for path in FOLDER.iterdir())
    lines = re.findall(r"^\s*- uses: (.*)$", text, re.MULTILINE)
    assert len(lines) == sum("uses" in step for _, _, step in STEPS)
    assert [line for line in lines if not re.fullmatch(r"[\w/-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", line)] == []
    assert len({line.partition("@")[0] for line in lines}) == len(set(lines))


def test_no_checkout_leaves_a_login_behind_and_no_script_holds_an_expression() -> None:
    checkouts = [step for _, _, step in STEPS if "actions/checkout" in step.get("uses", "")]
    assert {step["with"]["persist-credentials"] for step in checkouts} == {False}
    assert [step for _, _, step in STEPS if "${{" in step.get("run", "")] == []


@pytest.mark.skipif(os.name == "nt", reason="a shell is needed")
@pytest.mark.parametrize(
    ("tag", "status"), [(f"v{peer_relay.__version__}", 0), (peer_relay.__version__, 1), ("v0.0.9", 1)]
)
def test_only_the_tag_of_the_version_is_released(tag: str, status: int) -> None:
    script = step_named("release.yml", "build", "See that the tag is the version")["run"]
    done = subprocess.run(
        ["sh", "-eu", "-c", script],
        cwd=ROOT,
        env={"TAG": tag, "PATH": "/usr/bin:/bin"},
        capture_output=True,
        check=False,
    )
    said = f"::error::The tag is {tag}, and the version in peer_relay/__init__.py is {peer_relay.__version__}.\n"
    assert (done.returncode, done.stdout.decode(), done.stderr.decode()) == (status, said if status else "", "")


def test_what_is_published_was_built_and_tested() -> None:
    jobs = WORKFLOWS["release.yml"]["jobs"]
    assert {name: job.get("needs", []) for name, job in jobs.items()} == {
        "test": [],
        "build": [],
        "pypi": ["test", "build"],
        "registry": ["pypi"],
    }
    assert jobs["pypi"]["environment"] == "pypi"
    called = {line for _, _, step in STEPS for line in re.findall(r"^make .*$", step.get("run", ""), re.MULTILINE)}
    assert called == {"make LOCKED=1 dist", "make coverage"}
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert [part for part in ("\ndist: ", "\ncoverage: ", "\nLOCKED ?=\n") if part not in makefile] == []


def test_only_what_is_in_dist_goes_to_pypi_and_the_bill_of_materials_is_kept_beside_it() -> None:
    kept = {
        step["with"]["name"]: step["with"]["path"] for _, _, step in STEPS if "upload-artifact" in step.get("uses", "")
    }
    fetched = [(job, step["with"]["name"]) for _, job, step in STEPS if "download-artifact" in step.get("uses", "")]
    assert (kept, fetched) == ({"dist": "dist/", "sbom": "sbom/"}, [("pypi", "dist")])
