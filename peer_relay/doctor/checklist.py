"""The checks: for each topic what looks at it, and what mends it, with everything that they are given."""

from __future__ import annotations

import importlib.metadata
import sys
from contextlib import suppress
from typing import TYPE_CHECKING

from peer_relay import __version__
from peer_relay.agents.registered import registrations
from peer_relay.attempts import at_refreshing, at_telling
from peer_relay.doctor import clocks, configured, folder, hooks, kept, mailbox, modes, registered, room, versions
from peer_relay.doctor.findings import Check
from peer_relay.doctor.signing import check_signing
from peer_relay.doctor.topics import TOPICS
from peer_relay.errors import PeerRelayError
from peer_relay.git.environment import NetworkEnvironment
from peer_relay.git.publicity import readable_by_anybody
from peer_relay.git.rules import push_rules

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from peer_relay.attempts import Attempts
    from peer_relay.doctor.case import Case
    from peer_relay.doctor.findings import Finding

    Looks = dict[str, Callable[[], Finding]]
    """What looks at each topic, by its id."""

_PACKAGE = "peer-relay"
_LIMIT_S = 10.0


def checklist(case: Case) -> list[Check]:
    """Return the checks, each after those that it needs."""
    looks = {**_machine(case), **_settings(case), **_disk(case), **_mailbox(case), **_room(case), **_agents(case)}
    mends = _mends(case)
    limits_s = {topic.id: _LIMIT_S + topic.operations * case.timeout_s for topic in TOPICS}
    return [Check(topic, looks[topic.id], mends.get(topic.id), limits_s[topic.id]) for topic in TOPICS]


def _machine(case: Case) -> Looks:
    given = case.given
    return {
        "python": lambda: versions.check_python(_running(), _required(), given.python),
        "packages": lambda: versions.check_packages(_requirements(), _version_of, __version__, given.python),
        "clock": lambda: clocks.check_clock(given.clock),
    }


def _settings(case: Case) -> Looks:
    given = case.given
    return {
        "variables": lambda: configured.check_variables(given.environ, lambda: case.settings),
        "surroundings": lambda: configured.check_surroundings(given.surroundings),
        "rooms": lambda: configured.check_rooms(case.settings.rooms),
        "choice": lambda: configured.check_choice(
            lambda: case.chosen, lambda: case.parts.remote.display, case.settings.rooms
        ),
    }


def _disk(case: Case) -> Looks:
    def clone() -> Finding:
        with case.locked():
            return kept.check_clone(case.clone, case.tip)

    return {
        "folder": lambda: folder.check_folder(case.settings.state_folder, case.parts.state.folder, _origin(case)),
        "modes": lambda: modes.check_modes(_places(case), case.given.user_id),
        "lock": lambda: folder.check_lock(case.parts.state, folder.PATIENCE_S),
        "leftovers": lambda: folder.check_leftovers(_folders(case), case.now_ms),
        "outbox": lambda: kept.check_outbox(case.parts.state, case.now_ms, case.command),
        "outbox-files": lambda: kept.check_outbox_files(case.parts.state),
        "checkpoint": lambda: kept.check_checkpoint(case.parts.state, case.now_ms),
        "clone": clone,
    }


def _mends(case: Case) -> dict[str, Callable[[], str]]:
    """Return what mends each topic that can be mended."""

    def locked(act: Callable[[], str]) -> Callable[[], str]:
        def mend() -> str:
            with case.locked(to_mend=True):
                return act()

        return mend

    return {
        "modes": lambda: modes.mend_modes(_places(case)),
        "leftovers": locked(lambda: folder.remove_leftovers(_folders(case), case.now_ms)),
        "outbox-files": locked(lambda: kept.move_damaged_outbox_files(case.parts.state)),
        "checkpoint": locked(lambda: kept.move_checkpoint(case.parts.state)),
        "clone": locked(lambda: kept.mend_clone(case.clone, case.tip)),
    }


def _mailbox(case: Case) -> Looks:
    def public() -> bool | None:
        environment = NetworkEnvironment.from_environ(case.given.surroundings)
        return readable_by_anybody(case.parts.remote, environment, case.deadline())

    def rules() -> Finding:
        remote = case.parts.remote
        found = push_rules(remote.path) if remote.kind == "local" else None
        return mailbox.check_rules(remote, found, case.parts.state.outbox.entries())

    return {
        "read": lambda: mailbox.check_read(case.parts.transport, case.parts.remote, case.ref, case.deadline()),
        "write": lambda: mailbox.check_write(case.parts.transport, case.parts.remote, case.ref, case.deadline()),
        "login": lambda: mailbox.check_login(case.parts.transport),
        "latency": lambda: mailbox.check_latency(
            case.parts.transport, case.ref, case.deadline(), case.given.clock.monotonic
        ),
        "public": lambda: mailbox.check_public(case.parts.remote, public),
        "default-branch": lambda: mailbox.check_default_branch(
            case.parts.transport, case.parts.remote, case.ref, case.deadline()
        ),
        "rules": rules,
    }


def _room(case: Case) -> Looks:
    return {
        "room": lambda: room.check_room(
            lambda: case.refreshed, case.chosen.config.peer_id, case.parts.keyring.pinned()
        ),
        "signing": lambda: check_signing(case.parts.keyring, case.chosen.config.peer_id, case.deadline()),
        "history": lambda: room.check_history(case.refreshed, case.tip),
        "newest": lambda: clocks.check_newest(case.store, case.refreshed.snapshot, case.now_ms, case.deadline(3)),
    }


def _agents(case: Case) -> Looks:
    given = case.given
    return {
        "agents": lambda: registered.check_agents(
            registrations(given.home, given.cwd, given.surroundings), given.surroundings.get("PATH", ""), case.launch
        ),
        "hook": lambda: hooks.check_hook(at_telling(case.settings.state_folder), _refreshing(case), case.now_ms),
    }


def _refreshing(case: Case) -> Attempts | None:
    with suppress(PeerRelayError):
        return at_refreshing(case.parts.state.folder)
    return None


def _running() -> str:
    return ".".join(map(str, sys.version_info[:3]))


def _required() -> str:
    """Return the range of Pythons that the installed package states, or nothing."""
    with suppress(importlib.metadata.PackageNotFoundError):
        return str(importlib.metadata.metadata(_PACKAGE)["Requires-Python"])
    return ""


def _requirements() -> list[str] | None:
    """Return what the installed package requires, or None if it is not installed."""
    with suppress(importlib.metadata.PackageNotFoundError):
        return importlib.metadata.requires(_PACKAGE)
    return None


def _version_of(package: str) -> str | None:
    with suppress(importlib.metadata.PackageNotFoundError):
        return importlib.metadata.version(package)
    return None


def _origin(case: Case) -> str:
    return "this system's default" if case.settings.home is None else "PEER_RELAY_HOME"


def _places(case: Case) -> modes.Places:
    return modes.Places(case.settings.state_folder, case.settings.rooms.folder)


def _folders(case: Case) -> list[Path]:
    """Return the folders in which files are written."""
    return [case.parts.state.folder, case.settings.rooms.folder]
