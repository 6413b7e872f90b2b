"""Whether the variables, the surroundings and the saved rooms make clear which room is meant, and how to get there."""

from __future__ import annotations

import difflib
import shlex
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING

from peer_relay.doctor.findings import failed_by, info, listed, ok, warning
from peer_relay.errors import InvalidSetting, PeerRelayError
from peer_relay.git.environment import NetworkEnvironment
from peer_relay.git.remote import redact
from peer_relay.git.rewriting import rewrites
from peer_relay.git.words import clean
from peer_relay.settings import Settings, is_unset

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from peer_relay.doctor.findings import Finding
    from peer_relay.rooms import Rooms
    from peer_relay.settings import Chosen

_PREFIX = "PEER_RELAY_"
_LOGINS = ("PEER_RELAY_GIT_USERNAME", "PEER_RELAY_GIT_PASSWORD")
VARIABLES = (*(f"{_PREFIX}{each.name.upper()}" for each in fields(Settings)), *_LOGINS)
"""The names of all variables of peer-relay's own."""

_PROXIES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")
SURROUNDINGS = (
    *("GIT_SSH_COMMAND", "GIT_SSH", "SSH_AUTH_SOCK"),
    *(spelt for name in _PROXIES for spelt in (name, name.upper())),
    *("SSL_CERT_FILE", "GIT_SSL_CAINFO", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"),
    *("GITHUB_TOKEN", "GH_TOKEN"),
)
"""The names of other programs' variables that have a say in how a mailbox is reached."""


def check_variables(environ: Mapping[str, str], read: Callable[[], Settings]) -> Finding:
    """Check peer-relay's own variables.

    Args:
        environ: the environment.
        read: reads the variables, or raises `InvalidSetting`.
    """
    try:
        read()
    except InvalidSetting as error:
        return failed_by(error)
    named = [name for name in environ if name.startswith(_PREFIX) and environ[name].strip()]
    unknown = [name for name in named if name not in VARIABLES]
    literal = [name for name in named if name in VARIABLES and is_unset(environ[name])]
    if unknown:
        return _unknown(unknown[0])
    if literal:
        return warning(
            f"{listed(literal)} arrived as the literal text ${{...}}, which counts as not set.",
            advice="Set what it stands for where the agent is started, or take the line out of the agent's settings.",
        )
    return ok(f"Set: {listed(sorted(named))}." if named else "None of peer-relay's is set; the saved rooms count.")


def check_surroundings(environ: Mapping[str, str]) -> Finding:
    """Check the variables of other programs that have a say, and git's configuration; no login in them is told.

    Args:
        environ: the environment without the variables that only look set.
    """
    try:
        network = NetworkEnvironment.from_environ(environ)
    except InvalidSetting as error:
        return failed_by(error, fix="unset GIT_SSH_COMMAND")
    if network.ca_file is not None and not Path(network.ca_file).is_file():
        name = next(name for name in SURROUNDINGS if environ.get(name) == network.ca_file)
        return warning(
            f"{name} names a file that is not there.",
            fix=f"unset {name}",
            why="An https mailbox cannot be reached without the certificates that it is to hold.",
        )
    found = [name for name in SURROUNDINGS if environ.get(name)]
    told = [f"Set: {listed(found)}."] if found else []
    if led := [f"{redact(begin)} to {redact(base)}" for begin, base in rewrites(environ)]:
        told.append(f"By its url.insteadOf, git leads from {listed(led)}.")
    return info(" ".join(told)) if told else ok("No proxy, no ssh and no login is set.")


def check_rooms(rooms: Rooms) -> Finding:
    """Check that every saved room can be read."""
    names = rooms.names()
    damaged = {name: problem for name in names if (problem := _problem(rooms, name)) is not None}
    if damaged:
        path = shlex.quote(str(rooms.folder / f"{next(iter(damaged))}.json"))
        return warning(
            " ".join(damaged.values()),
            fix=f"mv {path} {path}.damaged && peer-relay join",
            why="A damaged file opens no room. The invite that it was made from has all that was in it.",
        )
    return ok(f"{listed(names)}, in {rooms.folder}." if names else f"None, in {rooms.folder}.")


def check_choice(choose: Callable[[], Chosen], show: Callable[[], str], rooms: Rooms) -> Finding:
    """Check that it is clear which room is meant, and say where each part of that comes from.

    Args:
        choose: chooses the room, or raises.
        show: returns its address as it may be shown, or raises if the settings are wrong.
        rooms: the saved rooms.
    """
    try:
        chosen, address = choose(), show()
    except PeerRelayError as error:
        return failed_by(error, fix=None if rooms.names() else "peer-relay join")
    config, origins = chosen.config, chosen.origins
    named = {"address": origins["remote"], "token": origins["token"], "peer id": origins["peer_id"]}
    sources = {origin: [part for part in named if named[part] == origin] for origin in named.values()}
    if len(sources) == 1:
        came = f"all from {next(iter(sources))}"
    else:
        came = "; ".join(f"{' and '.join(parts)} from {origin}" for origin, parts in sources.items())
    return ok(f"{config.peer_id} in {address} with token prt1-…, {came}; {config.timeout_s:g} seconds a call.")


def _unknown(name: str) -> Finding:
    meant = difflib.get_close_matches(name, VARIABLES, 1, 0.6)
    hint = f" {meant[0]} may be meant." if meant else ""
    return warning(f"{clean(name)} is set, and peer-relay has no such variable.{hint}", fix=f"unset {clean(name)}")


def _problem(rooms: Rooms, name: str) -> str | None:
    try:
        rooms.load(name)
    except PeerRelayError as error:
        return error.what
    return None
