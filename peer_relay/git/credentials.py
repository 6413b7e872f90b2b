"""Logins for http(s): where they are looked for, in which order, and what to tell a person when one is refused.

1. The order is: the address, `PEER_RELAY_GIT_USERNAME` and `PEER_RELAY_GIT_PASSWORD`, `GITHUB_TOKEN` or `GH_TOKEN` for
   github.com alone, and git's credential helper. The first that is there is used; no other is tried after it.
2. The helper is asked only when the remote refused a request without a login, and at most once in an operation.
3. An operation tries at most two logins, having none counted as one: some hosts lock out an address that fails often.
4. Of git's configuration, that of the user and of the system says which helper is asked, and not that of the folder in
   which an agent happens to be started: it comes with a project, and a helper is a command.
5. No secret is in an argument vector, a `repr` or a message (I10). The helper gets what it needs on its standard input.
"""

from __future__ import annotations

import base64
import os
import shutil
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import quote, unquote

from peer_relay.errors import AuthenticationFailed
from peer_relay.git import process

if TYPE_CHECKING:
    from peer_relay.deadline import Deadline
    from peer_relay.git.environment import NetworkEnvironment
    from peer_relay.git.remote import Remote

# Forges take any name beside a token; GitHub documents this one.
_TOKEN_USERNAME = "x-access-token"  # noqa: S105 - a user name that everybody knows
_ATTEMPTS = 2

FROM_ADDRESS = "it does not accept the user name and password in the address"
FROM_VARIABLES = (
    "it does not accept the user name and password from PEER_RELAY_GIT_USERNAME and PEER_RELAY_GIT_PASSWORD"
)
FROM_GITHUB = "it does not accept the token from GITHUB_TOKEN or GH_TOKEN"
FROM_HELPER = "it does not accept what git's credential helper returned"
NONE_FOUND = "no credentials were found"

ADVICE = {
    FROM_ADDRESS: "Check both, and that they may write.",
    FROM_VARIABLES: "Check both, and that the token may write.",
    FROM_GITHUB: "Check that it is current and may write there, or unset that variable to use another login.",
    FROM_HELPER: "Log in again with the helper, or set PEER_RELAY_GIT_USERNAME and PEER_RELAY_GIT_PASSWORD.",
    NONE_FOUND: (
        "Set PEER_RELAY_GIT_USERNAME and PEER_RELAY_GIT_PASSWORD, or store a login in git's credential helper."
    ),
}
"""What to do when a login of each source is refused."""

# How a login that was accepted is called.
_NAMES = {
    FROM_ADDRESS: "the user name and password in the address",
    FROM_VARIABLES: "PEER_RELAY_GIT_USERNAME and PEER_RELAY_GIT_PASSWORD",
    FROM_GITHUB: "GITHUB_TOKEN or GH_TOKEN",
    FROM_HELPER: "git's credential helper",
}
NOT_NEEDED = "no login was needed"


@dataclass(frozen=True)
class Login:
    """A user name and password, and the clause that says where they came from."""

    username: str = field(repr=False)
    password: str = field(repr=False)
    source: str

    @property
    def header(self) -> str:
        """The value of the Authorization header (RFC 7617)."""
        return "Basic " + base64.b64encode(f"{self.username}:{self.password}".encode()).decode("ascii")

    @property
    def secrets(self) -> tuple[str, ...]:
        """What must never be shown, in each form in which a remote could repeat it."""
        encoded = {quote(self.password), quote(self.password, safe="")} - {self.password}
        return (self.password, self.header.removeprefix("Basic "), *encoded)


class Logins:
    """The logins of one remote, and which of them an operation uses.

    Attributes:
        current: what is sent, or None.
        accepted: the name of what was last let in; empty before there was a contact.
    """

    def __init__(self, remote: Remote, environment: NetworkEnvironment) -> None:
        self._remote = remote
        self._environment = environment
        self._attempts = 0
        self.current = configured_login(remote, environment)
        self.accepted = ""

    def begin_operation(self) -> None:
        """Start counting attempts anew. A login that worked stays."""
        self._attempts = 0

    def next(self, deadline: Deadline) -> bool:
        """After a refusal, find another login; False if there is none to try.

        Only having none, or an older answer of the helper, leads to asking the helper: see 1.
        """
        self._attempts += 1
        from_helper = self.current is None or self.current.source == FROM_HELPER
        if self._attempts >= _ATTEMPTS or not from_helper:
            return False
        refused, self.current = self.current, ask_helper(self._remote, self._environment, deadline)
        return self.current not in (None, refused)

    def renew(self, deadline: Deadline) -> bool:
        """Ask the helper whether it has another login by now than it had; if so, that one is used from now on."""
        if self.current is None or self.current.source != FROM_HELPER:
            return False
        found = ask_helper(self._remote, self._environment, deadline)
        if found in (None, self.current):
            return False
        self.current = found
        return True

    def accept(self) -> None:
        """Note that the remote let the current login in."""
        self.accepted = NOT_NEEDED if self.current is None else _NAMES[self.current.source]

    def refusal(self) -> AuthenticationFailed:
        """Return the error for the last refusal."""
        source = NONE_FOUND if self.current is None else self.current.source
        return AuthenticationFailed(remote=self._remote.display, source=source, advice=ADVICE[source])


def configured_login(remote: Remote, environment: NetworkEnvironment) -> Login | None:
    """Return the login that is known without asking anybody, or None."""
    if remote.password is not None:
        return Login(remote.username or "", remote.password, FROM_ADDRESS)
    if environment.git_password is not None:
        username = environment.git_username or remote.username or _TOKEN_USERNAME
        return Login(username, environment.git_password, FROM_VARIABLES)
    if environment.github_token is not None and remote.scheme == "https" and remote.host.lower() == "github.com":
        return Login(_TOKEN_USERNAME, environment.github_token, FROM_GITHUB)
    return None


def ask_helper(remote: Remote, environment: NetworkEnvironment, deadline: Deadline) -> Login | None:
    """Ask git's credential helper without letting it ask a person; None if it knows nothing or there is no git."""
    if environment.is_anonymous:
        return None
    git = shutil.which("git", path=environment.environ.get("PATH", os.defpath))
    if git is None or not os.path.isabs(git):  # noqa: PTH117 - on Windows a relative hit is one in the working folder
        return None
    question = {"protocol": remote.scheme, "host": remote.authority, "path": unquote(remote.path).lstrip("/")}
    if username := remote.username or environment.git_username:
        question["username"] = username
    text = "".join(f"{name}={value}\n" for name, value in question.items()) + "\n"
    argv = [git, "-c", "credential.interactive=false", "credential", "fill"]
    nowhere = {**environment.environ, "GIT_DIR": os.devnull}
    printed = process.output_of(argv, text.encode(), nowhere, deadline.remaining_s())
    reply = printed.decode("utf-8", "replace")
    found = dict(line.partition("=")[::2] for line in reply.splitlines())
    if not found.get("username") or "password" not in found:
        return None
    return Login(found["username"], found["password"], FROM_HELPER)
