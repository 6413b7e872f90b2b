"""The tests' own safety net: what they run sees nothing of the user's, ends with its test, and is what was pinned."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import urllib3

from tests.clients.model import playing, say
from tests.clients.programs import Program, surroundings

if TYPE_CHECKING:
    from tests.clients.programs import Finished

HERE = Path(__file__).parent
SHELL = Program(("sh", "-c"))


def test_a_program_sees_what_it_is_given_and_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET", "x")
    seen = SHELL("env", home=tmp_path, variables={"GIVEN": "y"}).output
    names = {line.partition("=")[0] for line in seen.splitlines()} - {"PWD", "SHLVL", "_", "OLDPWD"}
    assert names == {*surroundings(tmp_path), "GIVEN"}


def test_what_a_program_started_ends_with_it(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "held")
    reader = os.open(tmp_path / "held", os.O_RDONLY | os.O_NONBLOCK)
    SHELL("exec 3>held; sleep 1000 >/dev/null 2>&1 &", home=tmp_path)
    # Reading comes to an end when nobody is left who holds the other side open.
    os.set_blocking(reader, True)
    assert os.read(reader, 1) == b""
    os.close(reader)


def test_a_program_that_takes_too_long_is_ended(tmp_path: Path) -> None:
    def run() -> Finished:
        return SHELL("echo begun; exec sleep 1000", home=tmp_path, limit_s=0.5)

    with pytest.raises(AssertionError, match=r"^sh did not end in 0\.5 s; it wrote: begun"):
        run()


@pytest.mark.parametrize("path", ["/v1/messages/count_tokens", "/"])
def test_the_stand_in_for_a_model_refuses_what_it_does_not_know(path: str) -> None:
    with playing(say("Hello.")) as model:
        status = urllib3.request("POST", f"{model.url}{path}", body=b"{}", timeout=10, retries=False).status
    assert (status, model.refused, model.requests) == (400, [f"POST {path}"], [])


def test_every_package_is_pinned_and_none_by_the_address_of_whoever_served_it() -> None:
    packages = json.loads((HERE / "package-lock.json").read_text(encoding="utf-8"))["packages"]
    loose = [name for name, package in packages.items() if name and not ({"version", "integrity"} <= package.keys())]
    assert (loose, [name for name, package in packages.items() if "resolved" in package]) == ([], [])
    asked = json.loads((HERE / "package.json").read_text(encoding="utf-8"))["dependencies"]
    assert {name: packages[f"node_modules/{name}"]["version"] for name in asked} == asked
    lines = (HERE / "requirements.txt").read_text(encoding="utf-8").splitlines()
    assert all("==" in line for line in lines if line and not line.startswith("#"))
