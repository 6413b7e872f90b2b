"""Imports point down, and only the right modules touch the outside world. The table here is the architecture."""

from __future__ import annotations

import ast
import graphlib
import subprocess
import sys
from dataclasses import dataclass
from fnmatch import fnmatchcase

import pytest

from tests.source import PACKAGE, imports_of, sources


@dataclass(frozen=True)
class Layer:
    """Modules that belong together: what they are called, and which other layers they may import."""

    modules: tuple[str, ...]
    sees: tuple[str, ...] = ()


_PURE = ("ground", "basics", "format", "rules")
_STATE = (*_PURE, "contract", "machine", "state")
LAYERS = {
    "ground": Layer(("__init__", "errors.*")),
    "basics": Layer(("amounts", "crash_points", "deadline", "pacing", "text", "times"), ("ground",)),
    "format": Layer(
        (
            *("ids", "records", "paths", "keys", "invite", "commits", "schema"),
            *("sshkeys", "sshsig", "signing", "signatures"),
        ),
        ("ground", "basics"),
    ),
    "rules": Layer(("ledger", "guard.*"), ("ground", "basics", "format")),
    "contract": Layer(("store",), _PURE),
    "machine": Layer(("clock", "config", "disk", "sealed"), ("ground", "basics", "format")),
    "state": Layer(
        ("outbox", "asked", "attempts", "checkpoint", "local_state", "news", "standing", "told"),
        (*_PURE, "contract", "machine"),
    ),
    "git": Layer(("git.*",), (*_PURE, "contract", "machine")),
    "driver": Layer(
        (
            "relay",
            "contact",
            "deciding",
            "delivery",
            "exchanges",
            "notes",
            "planning",
            "reports",
            "turns",
            "verification",
            "writing",
        ),
        _STATE,
    ),
    "settings": Layer(("settings", "rooms", "own_secrets", "pinned"), (*_PURE, "machine")),
    "agents": Layer(("agents.*",), ("ground", "basics", "machine")),
    "root": Layer(
        ("app", "access", "doctor.*", "leaving", "pinning", "replaying", "restoring"),
        (*_STATE, "git", "driver", "settings", "agents"),
    ),
    "faces": Layer(("cli.*", "demo", "server.*", "__main__"), (*_STATE, "git", "driver", "settings", "agents", "root")),
}
FACES = ("faces", "settings")

IMPURE = {
    *("asyncio", "anyio", "dulwich", "filelock", "logging", "mcp", "multiprocessing", "os", "platformdirs", "random"),
    *("shutil", "socket", "subprocess", "sys", "tempfile", "threading", "time", "urllib3"),
}
PURE_PATHS = {"PurePath", "PurePosixPath"}
CLOCK_READERS = {"now", "today", "utcnow"}
ONLY = {
    "dulwich": ("git.*",),
    "urllib3": ("git.*",),
    "cryptography": ("signatures",),
    "mcp": ("server.*", "demo"),
    "click": ("cli.*", "demo"),
    "rich": ("cli.*", "demo"),
}

SOURCES = sources()
every_module = pytest.mark.parametrize("module", SOURCES)


def layer_of(module: str) -> str:
    """Return the layer that a module belongs to."""
    names = [name for name, layer in LAYERS.items() if any(fnmatchcase(module, each) for each in layer.modules)]
    assert len(names) == 1, f"{module} is in {len(names)} layers: give it one place in LAYERS of tests/test_imports.py"
    return names[0]


def own_imports(source: str) -> set[str]:
    """Return the names of the package's modules that a module imports."""
    found = set()
    for each in imports_of(source):
        if each.top == "peer_relay":
            for name in (f"{each.module}.{each.name}", each.module):
                path = PACKAGE.joinpath(*name.split(".")[1:])
                if path.with_suffix(".py").is_file() or (path / "__init__.py").is_file():
                    found.add(".".join(name.split(".")[1:] + ["__init__"] * path.is_dir()))
                    break
    return found


def impurities(source: str) -> list[str]:
    """Return what a module does that a pure one must not: forbidden imports, files, clocks."""
    found = [each.module for each in imports_of(source) if each.top in IMPURE]
    found += [
        f"pathlib.{each.name}" for each in imports_of(source) if each.top == "pathlib" and each.name not in PURE_PATHS
    ]
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call):
            called = ast.unparse(node.func)
            found += [called] * (called == "open" or called.rpartition(".")[2] in CLOCK_READERS)
    return found


def reads_environment(source: str) -> bool:
    """Say whether a module mentions the process's environment."""
    tree = ast.parse(source)
    attributes = {ast.unparse(node) for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    names = {each.name for each in imports_of(source) if each.module == "os"}
    return bool(attributes & {"os.environ", "os.environb", "os.getenv"} or names & {"environ", "environb", "getenv"})


@every_module
def test_a_module_imports_only_from_layers_that_it_may_see(module: str) -> None:
    layer = layer_of(module)
    allowed = {layer, *LAYERS[layer].sees}
    assert sorted(name for name in own_imports(SOURCES[module]) if layer_of(name) not in allowed) == []


@every_module
def test_imports_are_absolute(module: str) -> None:
    assert [each for each in imports_of(SOURCES[module]) if each.module.startswith(".")] == []


def test_no_module_imports_itself_in_a_circle() -> None:
    order = graphlib.TopologicalSorter({name: own_imports(source) for name, source in SOURCES.items()})
    assert set(order.static_order()) == set(SOURCES)


@pytest.mark.parametrize("module", [name for name in SOURCES if layer_of(name) in _PURE])
def test_a_pure_module_touches_nothing_outside(module: str) -> None:
    assert impurities(SOURCES[module]) == []


@every_module
def test_a_library_of_the_outside_world_is_imported_in_one_place(module: str) -> None:
    restricted = {each.top for each in imports_of(SOURCES[module])} & ONLY.keys()
    assert [name for name in restricted if not any(fnmatchcase(module, place) for place in ONLY[name])] == []


@every_module
def test_only_faces_read_the_environment(module: str) -> None:
    assert layer_of(module) in FACES or not reads_environment(SOURCES[module])


def test_there_is_no_drawer_for_odds_and_ends() -> None:
    drawers = {"common", "helpers", "misc", "util", "utils"}
    assert [name for name in SOURCES if drawers & set(name.split("."))] == []


def test_the_command_line_starts_without_the_heavy_libraries() -> None:
    script = "import sys, peer_relay.cli; print(sorted({'mcp', 'rich'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=30)
    assert done.stdout.strip() == "[]"


def test_the_checks_see_what_they_look_for() -> None:
    source = (
        "from __future__ import annotations\n"
        "import os.path, datetime\n"
        "from pathlib import Path, PurePosixPath\n"
        "from peer_relay import errors, __version__\n"
        "def f():\n"
        "    from peer_relay.errors import LocalError\n"
        "    open(os.environ['X']), datetime.datetime.now()\n"
    )
    assert impurities(source) == ["os.path", "pathlib.Path", "open", "datetime.datetime.now"]
    assert own_imports(source) == {"errors.__init__", "__init__"}
    assert reads_environment(source)
    assert reads_environment("from os import getenv")
    assert not reads_environment("import os\nenviron = os.getcwd()")
