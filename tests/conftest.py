"""What every test stands on: an environment of its own, plain git, and the servers of `tests/servers.py`.

1. No test sees the user's environment: home, configuration, credentials, agents and proxies are somebody else's.
2. The user's own peer-relay folders cannot be opened from a test process, whatever a test does.
3. A process that a test starts gets `os.environ` and what the test adds to it: it is clean by 1, and it carries
   coverage's variables, without which what the process does is not measured.
"""

from __future__ import annotations

import itertools
import os
import re
import sys
from typing import TYPE_CHECKING, Any, Protocol

import platformdirs
import pytest
from hypothesis import settings

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytest_plugins = ["tests.servers"]

settings.register_profile("default", max_examples=40, deadline=None, derandomize=False, print_blob=True)
settings.register_profile("ci", settings.get_profile("default"), max_examples=100)
settings.register_profile("deep", settings.get_profile("default"), max_examples=5000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "default"))

# Say whether a missing server or client fails a test; they are read by the fixtures, not by the package.
REQUIRING = {"PEER_RELAY_REQUIRE_SERVERS", "PEER_RELAY_REQUIRE_CLIENTS"}
_PRIVATE_PREFIXES = ("PEER_RELAY_", "XDG_", "GIT_", "SSH_", "GITHUB_", "GH_", "SSL_CERT_")
_PRIVATE_NAMES = {"REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "FORCE_COLOR", "NO_COLOR", "COLUMNS"}

_REAL_FOLDERS = tuple(
    str(locate("peer-relay", appauthor=False))
    for locate in (
        platformdirs.user_cache_path,
        platformdirs.user_config_path,
        platformdirs.user_data_path,
        platformdirs.user_state_path,
    )
)
_FILE_EVENTS = {"open", "os.listdir", "os.mkdir", "os.remove", "os.rename", "os.rmdir", "os.scandir"}


def _refuse_real_folders(event: str, arguments: tuple[Any, ...]) -> None:
    if event in _FILE_EVENTS and isinstance(arguments[0], str | bytes | os.PathLike):
        path = os.path.abspath(os.fsdecode(arguments[0]))  # noqa: PTH100 - pathlib would be slow in a hook this hot
        if path.startswith(_REAL_FOLDERS):
            message = f"a test reached for the user's own {path}"
            raise RuntimeError(message)


sys.addaudithook(_refuse_real_folders)


# ----------------------------------------------------------------------------------------------------------------------
# Order

_LONG_S = 100.0
"""A test that may take so many seconds, by its mark, is a long one."""


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the long tests, so that no process is left alone with one of them at the end."""
    processes = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    marks = ((item, item.get_closest_marker("timeout")) for item in items)
    long = {item: mark.args[0] for item, mark in marks if mark is not None and mark.args[0] >= _LONG_S}
    ordered = sorted(long, key=lambda item: (long[item], item.nodeid))
    items[:] = _dealt(ordered, [item for item in items if item not in long], processes)


def _dealt(first: list[Any], rest: list[Any], processes: int) -> list[Any]:
    """Return both in one list, of which each process gets an equal part: its share of the first, then of the rest.

    A share is in one piece: of the longest, the chaos runs, each takes all of a small machine, so they take turns.
    """
    dealt, left = list[Any](), iter(rest)
    for number in range(processes):
        size = (len(first) + len(rest) - len(dealt)) // (processes - number)
        share = first[number * len(first) // processes : (number + 1) * len(first) // processes]
        dealt += [*share, *itertools.islice(left, max(size - len(share), 0))]
    return [*dealt, *left]


# ----------------------------------------------------------------------------------------------------------------------
# The user's environment


def _is_private(name: str) -> bool:
    return name.startswith(_PRIVATE_PREFIXES) or name in _PRIVATE_NAMES or name.lower().endswith("_proxy")


def _isolate(patch: pytest.MonkeyPatch, home: Path) -> None:
    for name in [name for name in os.environ if _is_private(name) and name not in REQUIRING]:
        patch.delenv(name)
    for name in ("HOME", "USERPROFILE", "APPDATA", "LOCALAPPDATA"):
        patch.setenv(name, str(home))
    git_config = home / ".gitconfig"
    git_config.touch()
    patch.setenv("GIT_CONFIG_GLOBAL", str(git_config))
    patch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    patch.setenv("GIT_TERMINAL_PROMPT", "0")


@pytest.fixture(scope="session", autouse=True)
def _isolated_session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keep the user's environment from fixtures that outlive one test."""
    with pytest.MonkeyPatch.context() as patch:
        _isolate(patch, tmp_path_factory.mktemp("home"))
        yield


class NewFolder(Protocol):
    """Makes an empty folder that nobody had before, and returns its path; `name` begins the folder's name."""

    def __call__(self, name: str) -> Path: ...


@pytest.fixture(scope="session")
def new_folder(tmp_path_factory: pytest.TempPathFactory) -> NewFolder:
    """Give the means to make folders for thousands of tests: pytest's own lists all earlier ones for each new one."""
    parent, numbers = tmp_path_factory.mktemp("tests"), itertools.count()

    def make(name: str) -> Path:
        folder = parent / f"{name}{next(numbers)}"
        folder.mkdir(mode=0o700)
        return folder

    return make


@pytest.fixture
def tmp_path(request: pytest.FixtureRequest, new_folder: NewFolder) -> Path:
    """Give each test an empty folder, named after it as pytest's own fixture does."""
    return new_folder(re.sub(r"\W", "_", request.node.name)[:30])


@pytest.fixture(autouse=True)
def home(new_folder: NewFolder, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give each test an empty home folder, which is where every default of the package then leads."""
    folder = new_folder("home")
    _isolate(monkeypatch, folder)
    return folder


@pytest.fixture
def unmeasured_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the measuring of coverage out of the processes that a test starts.

    It doubles what they cost. Whatever such a test runs, cheaper ones run under measurement.
    """
    for name in [name for name in os.environ if name.startswith("COVERAGE_")]:
        monkeypatch.delenv(name)


@pytest.fixture(scope="session")
def forks() -> Iterator[Path | None]:
    """Give the socket of what forks peer-relay, for the tests that are not about its start; None on Windows."""
    if not hasattr(os, "fork"):
        yield None
        return
    from tests import prepared  # noqa: PLC0415 - pytest has to load a plugin before anybody else does

    with prepared.forking() as socket:
        yield socket


class Git(Protocol):
    """Runs git in a repository and returns what it printed, without the newlines at its end."""

    def __call__(self, repository: Path, *arguments: str | Path, data: bytes | None = None) -> str:
        """Run `git -C repository arguments...` with `data` as standard input; a failure is an AssertionError."""
        ...


@pytest.fixture(scope="session")
def git() -> Git:
    """Give plain git, so that a test looks at a repository with other eyes than the package's."""
    from tests.servers import run_git  # noqa: PLC0415 - pytest has to load a plugin before anybody else does

    def run(repository: Path, *arguments: str | Path, data: bytes | None = None) -> str:
        return run_git(*arguments, cwd=repository, data=data).decode().rstrip("\n")

    return run
