"""Where a login for http comes from, in which order, and that it goes nowhere else."""

from __future__ import annotations

import base64
import os
import stat
import sys
import time
from typing import TYPE_CHECKING

import pytest

from peer_relay.deadline import Deadline
from peer_relay.errors import AuthenticationFailed, InvalidSetting
from peer_relay.git.connect import connect
from peer_relay.git.credentials import (
    ADVICE,
    FROM_ADDRESS,
    FROM_GITHUB,
    FROM_HELPER,
    FROM_VARIABLES,
    NONE_FOUND,
    Login,
    Logins,
    ask_helper,
    configured_login,
)
from peer_relay.git.environment import NetworkEnvironment
from peer_relay.git.remote import parse_remote
from tests.claims import claim
from tests.git.fault_server import LISTING, REF, FaultServer, Handler, answers, deadline, fault_server, witness
from tests.servers import run_git

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from peer_relay.git.transport import Transport

__all__ = ["fault_server"]

GITHUB = "https://github.com/a/b.git"
EVERYTHING = {
    "PEER_RELAY_GIT_USERNAME": "relay",
    "PEER_RELAY_GIT_PASSWORD": "relay-word",
    "GITHUB_TOKEN": "github-word",
    "GH_TOKEN": "gh-word",
}


def surroundings(**variables: str) -> NetworkEnvironment:
    return NetworkEnvironment.from_environ(variables)


def without(*names: str) -> dict[str, str]:
    return {name: value for name, value in EVERYTHING.items() if name not in names}


def basic(username: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{username}:{password}".encode()).decode()


OWN = ("PEER_RELAY_GIT_USERNAME", "PEER_RELAY_GIT_PASSWORD")


@pytest.mark.parametrize(
    ("address", "variables", "expected"),
    [
        ("https://me:word@github.com/x", EVERYTHING, Login("me", "word", FROM_ADDRESS)),
        ("https://:word@github.com/x", EVERYTHING, Login("", "word", FROM_ADDRESS)),
        ("https://word:@github.com/x", EVERYTHING, Login("word", "", FROM_ADDRESS)),
        (GITHUB, EVERYTHING, Login("relay", "relay-word", FROM_VARIABLES)),
        ("https://me@host/x", without(OWN[0]), Login("me", "relay-word", FROM_VARIABLES)),
        ("https://host/x", without(OWN[0]), Login("x-access-token", "relay-word", FROM_VARIABLES)),
        (GITHUB, without(*OWN), Login("x-access-token", "github-word", FROM_GITHUB)),
        (GITHUB.replace("github", "GitHub"), without(*OWN), Login("x-access-token", "github-word", FROM_GITHUB)),
        (GITHUB, without(*OWN, "GITHUB_TOKEN"), Login("x-access-token", "gh-word", FROM_GITHUB)),
        (GITHUB, without(*OWN) | {"GITHUB_TOKEN": ""}, Login("x-access-token", "gh-word", FROM_GITHUB)),
        ("https://github.com.evil.example/x", without(*OWN), None),
        ("https://gitlab.com/x", without(*OWN), None),
        (GITHUB, without("PEER_RELAY_GIT_PASSWORD", "GITHUB_TOKEN", "GH_TOKEN"), None),
    ],
)
def test_the_first_source_that_is_there_is_used(
    address: str, variables: dict[str, str], expected: Login | None
) -> None:
    assert configured_login(parse_remote(address), surroundings(**variables)) == expected


@pytest.mark.parametrize(
    ("address", "variables", "accepted"),
    [
        ("https://me:word@github.com/x", EVERYTHING, "the user name and password in the address"),
        (GITHUB, EVERYTHING, "PEER_RELAY_GIT_USERNAME and PEER_RELAY_GIT_PASSWORD"),
        (GITHUB, without(*OWN), "GITHUB_TOKEN or GH_TOKEN"),
        ("https://gitlab.com/x", without(*OWN), "no login was needed"),
    ],
)
def test_a_login_that_was_accepted_is_called_by_its_source(
    address: str, variables: dict[str, str], accepted: str
) -> None:
    logins = Logins(parse_remote(address), surroundings(**variables))
    assert logins.accepted == ""
    logins.accept()
    assert logins.accepted == accepted


# ---------------------------------------------------------------------------------------------------------------------
# Against a server


def demands(*accepted: str) -> Callable[[Handler, bytes], None]:
    """Want one of these Authorization headers."""

    def fault(handler: Handler, body: bytes) -> None:
        if handler.headers.get("Authorization") in accepted:
            handler.send(handler.server.backend(handler, body))
        else:
            answers(401, WWW_Authenticate='Basic realm="git"')(handler, body)

    return fault


def logins(server: FaultServer) -> list[str | None]:
    """Return the Authorization header of every request, oldest first."""
    return [request.headers.get("Authorization") for request in server.requests]


def test_a_known_login_is_sent_at_once(fault_server: FaultServer) -> None:
    transport = fault_server.transport(surroundings(**EVERYTHING))
    assert transport.read_ref(REF, deadline()) is None
    assert set(logins(fault_server)) == {basic("relay", "relay-word")}
    transport.close()


@pytest.mark.parametrize(
    ("login", "variables", "source"),
    [
        ("me:secret-word@", EVERYTHING, FROM_ADDRESS),
        ("", EVERYTHING, FROM_VARIABLES),
        ("", {"PATH": ""}, NONE_FOUND),
        ("secret-word@", {"PATH": ""}, NONE_FOUND),
    ],
)
@claim("secrets-never-shown", "I10")
def test_a_refusal_names_the_source_and_never_the_secret(
    fault_server: FaultServer, login: str, variables: dict[str, str], source: str
) -> None:
    fault_server.faults[LISTING] = demands()
    transport = fault_server.transport(surroundings(**variables), login=login)
    with pytest.raises(AuthenticationFailed) as caught:
        transport.read_ref(REF, deadline())
    assert str(caught.value) == f"{fault_server.url()} refused the login: {source}. {ADVICE[source]}"
    assert fault_server.asked == [LISTING]
    assert "word" not in f"{transport!r} {transport.__dict__!r}".replace("password", "")
    transport.close()


# ---------------------------------------------------------------------------------------------------------------------
# The credential helper


@pytest.fixture
def helper(tmp_path: Path) -> Callable[[str], dict[str, str]]:
    """Give a function that puts a made-up git on a PATH of its own and returns the variables to use it."""

    def make(script: str) -> dict[str, str]:
        folder = tmp_path / "bin"
        folder.mkdir(exist_ok=True)
        program = folder / "git"
        program.write_text(f"#!/bin/sh\n{script}\n")
        program.chmod(program.stat().st_mode | stat.S_IXUSR)
        return {"PATH": f"{folder}{os.pathsep}{os.environ['PATH']}", "SEEN": str(tmp_path)}

    return make


RECORD = 'echo "$@" >> $SEEN/argv; cat >> $SEEN/stdin; env > $SEEN/environment;'


def test_the_helper_is_asked_only_after_a_refusal_and_its_login_is_kept(
    fault_server: FaultServer, helper: Callable[[str], dict[str, str]], tmp_path: Path
) -> None:
    fault_server.faults[LISTING] = demands(basic("me", "helper=word"))
    variables = helper(f"{RECORD} echo username=me; echo password=helper=word")
    transport = fault_server.transport(surroundings(**variables, PEER_RELAY_ROOM_TOKEN="room"), login="hint@")
    assert transport.read_ref(REF, deadline()) is None
    assert transport.read_ref(REF, deadline()) is None
    assert logins(fault_server) == [None] + [basic("me", "helper=word")] * 3
    assert transport.login == "git's credential helper"
    assert (tmp_path / "argv").read_text() == "-c credential.interactive=false credential fill\n"
    host = fault_server.url().removeprefix("http://").partition("/")[0]
    assert (tmp_path / "stdin").read_text() == f"protocol=http\nhost={host}\npath=mailbox.git\nusername=hint\n\n"
    environment = (tmp_path / "environment").read_text().splitlines()
    silent = {
        "GIT_TERMINAL_PROMPT=0",
        "GIT_ASKPASS=",
        "SSH_ASKPASS=",
        "SSH_ASKPASS_REQUIRE=never",
        "GCM_INTERACTIVE=never",
    }
    assert silent <= set(environment)
    assert [line for line in environment if line.startswith("PEER_RELAY_")] == []
    transport.close()


def test_somebody_anonymous_uses_no_login_and_asks_no_helper(
    fault_server: FaultServer, helper: Callable[[str], dict[str, str]], tmp_path: Path
) -> None:
    fault_server.faults[LISTING] = demands(basic("me", "word"))
    variables = helper(f"{RECORD} echo username=me; echo password=word")
    transport = fault_server.transport(surroundings(**EVERYTHING | variables).anonymous())
    with pytest.raises(AuthenticationFailed):
        transport.read_ref(REF, deadline())
    assert (logins(fault_server), transport.login) == ([None], "")
    assert not (tmp_path / "argv").exists()
    transport.close()


def test_the_helper_is_not_asked_where_no_login_is_wanted(
    fault_server: FaultServer, helper: Callable[[str], dict[str, str]], tmp_path: Path
) -> None:
    transport = fault_server.transport(surroundings(**helper(RECORD)))
    assert transport.read_ref(REF, deadline()) is None
    assert not (tmp_path / "argv").exists()
    transport.close()


@claim("secrets-never-shown", "I10")
def test_an_operation_tries_two_logins_at_most_and_a_newer_one_of_the_helper_is_found(
    fault_server: FaultServer, helper: Callable[[str], dict[str, str]], tmp_path: Path
) -> None:
    fault_server.faults[LISTING] = demands()
    variables = helper(f"{RECORD} echo username=me; echo password=word-$(grep -c . $SEEN/argv)")
    transport = fault_server.transport(surroundings(**variables))
    for _ in range(2):
        with pytest.raises(AuthenticationFailed) as caught:
            transport.read_ref(REF, deadline())
        assert caught.value.source == FROM_HELPER
    tried = [None, basic("me", "word-1"), basic("me", "word-1"), basic("me", "word-2")]
    assert logins(fault_server) == tried
    fault_server.faults[LISTING] = demands(basic("me", "word-3"))
    assert transport.read_ref(REF, deadline()) is None
    transport.close()


def test_the_same_refused_login_is_not_tried_again(
    fault_server: FaultServer, helper: Callable[[str], dict[str, str]]
) -> None:
    fault_server.faults[LISTING] = demands()
    transport = fault_server.transport(surroundings(**helper("echo username=me; echo password=word")))
    for expected in (2, 3):
        with pytest.raises(AuthenticationFailed):
            transport.read_ref(REF, deadline())
        assert len(fault_server.requests) == expected
    transport.close()


def refusals(transport: Transport, how_many: int) -> list[str]:
    """Return why so many reads in a row were refused."""
    found = []
    for _ in range(how_many):
        with pytest.raises(AuthenticationFailed) as caught:
            transport.read_ref(REF, deadline())
        found.append(caught.value.source)
    return found


def test_a_login_that_changed_in_the_helper_is_used_at_once_although_the_old_one_is_kept_back(
    fault_server: FaultServer, helper: Callable[[str], dict[str, str]], tmp_path: Path
) -> None:
    fault_server.faults[LISTING] = demands(basic("me", "right"))
    (tmp_path / "word").write_text("wrong")
    variables = helper("echo username=me; echo password=$(cat $SEEN/word)")
    transport = connect(parse_remote(fault_server.url()), surroundings(**variables))
    assert [", so no further login" in each for each in refusals(transport, 6)] == [False] * 3 + [True] * 3
    assert logins(fault_server) == [None] + [basic("me", "wrong")] * 3
    (tmp_path / "word").write_text("right")
    assert transport.read_ref(REF, deadline()) is None
    assert transport.read_ref(REF, deadline()) is None
    transport.close()


def test_a_login_from_elsewhere_is_kept_back_until_the_time_is_over(fault_server: FaultServer) -> None:
    fault_server.faults[LISTING] = demands(basic("me", "right"))
    variables = {"PEER_RELAY_GIT_USERNAME": "me", "PEER_RELAY_GIT_PASSWORD": "wrong"}
    transport = connect(parse_remote(fault_server.url()), surroundings(**variables))
    assert [", so no further login" in each for each in refusals(transport, 6)] == [False] * 3 + [True] * 3
    assert logins(fault_server) == [basic("me", "wrong")] * 3
    transport.close()


@pytest.mark.parametrize(
    "script",
    ["exit 128", "echo username=me", "echo password=x", "echo quit=1", "printf '\\377\\376\\n\\n='", "exit 0"],
)
def test_a_helper_that_knows_nothing_is_no_login(script: str, helper: Callable[[str], dict[str, str]]) -> None:
    assert ask_helper(parse_remote(GITHUB), surroundings(**helper(script)), deadline()) is None


def test_a_helper_that_does_not_end_is_ended_by_the_deadline(
    helper: Callable[[str], dict[str, str]], tmp_path: Path
) -> None:
    variables = helper("exec 3> $SEEN/alive; echo >&3; sleep 60 & wait")
    with witness(tmp_path / "alive") as all_ended:
        started = time.monotonic()
        assert ask_helper(parse_remote(GITHUB), surroundings(**variables), Deadline(0.5, time.monotonic)) is None
        assert time.monotonic() - started < 5
        assert all_ended()


def test_without_git_there_is_no_helper(tmp_path: Path) -> None:
    assert ask_helper(parse_remote(GITHUB), surroundings(PATH=str(tmp_path)), deadline()) is None


def test_a_git_in_the_working_folder_is_not_run(
    helper: Callable[[str], dict[str, str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    helper(f"{RECORD} echo username=me; echo password=word")
    monkeypatch.chdir(tmp_path / "bin")
    assert ask_helper(parse_remote(GITHUB), surroundings(PATH=".", SEEN=str(tmp_path)), deadline()) is None
    assert not (tmp_path / "argv").exists()


def test_a_git_that_cannot_be_started_is_no_login(tmp_path: Path) -> None:
    (tmp_path / "git").write_bytes(b"\x7fELF damaged")
    (tmp_path / "git").chmod(0o755)
    assert ask_helper(parse_remote(GITHUB), surroundings(PATH=str(tmp_path)), deadline()) is None


def test_the_real_helper_of_git_is_understood(home: Path) -> None:
    run_git("--version")
    (home / "stored").write_text("https://me:stored%3Dword@host.example\n")
    (home / ".gitconfig").write_text(f"[credential]\n\thelper = store --file={home}/stored\n")
    environment = NetworkEnvironment.from_environ(os.environ)
    assert ask_helper(parse_remote("https://host.example/x"), environment, deadline()) == Login(
        "me", "stored=word", FROM_HELPER
    )
    assert ask_helper(parse_remote("https://other.example/x"), environment, deadline()) is None


# ---------------------------------------------------------------------------------------------------------------------
# The environment


def test_the_environment_is_read_once_and_keeps_its_secrets_to_itself() -> None:
    environment = NetworkEnvironment.from_environ(EVERYTHING | {"PATH": "/bin", "PEER_RELAY_ROOM_TOKEN": "prt1-word"})
    assert environment.environ == {"PATH": "/bin", "GITHUB_TOKEN": "github-word", "GH_TOKEN": "gh-word"}
    assert "word" not in repr(environment).replace("password", "")


@pytest.mark.parametrize(
    ("variables", "words"),
    [
        ({}, ()),
        ({"GIT_SSH": "/opt/my ssh"}, ("/opt/my ssh",)),
        ({"GIT_SSH": "/opt/my ssh", "GIT_SSH_COMMAND": "ssh -i 'a key'"}, ("ssh", "-i", "a key")),
    ],
)
def test_the_ssh_program_is_found(variables: dict[str, str], words: tuple[str, ...]) -> None:
    assert surroundings(**variables).ssh_command == words


def test_an_open_quote_in_the_ssh_command_is_named() -> None:
    with pytest.raises(InvalidSetting) as caught:
        surroundings(GIT_SSH_COMMAND="ssh -i 'a key")
    assert str(caught.value) == "GIT_SSH_COMMAND has a quote that is not closed. Close it, or unset the variable."


@pytest.mark.parametrize(
    ("variables", "proxies"),
    [
        ({"HTTPS_PROXY": "u", "https_proxy": "l"}, {"https": "l"}),
        ({"HTTPS_PROXY": "u", "https_proxy": ""}, {}),
        ({"HTTP_PROXY": "u", "ALL_PROXY": "a", "NO_PROXY": "n"}, {"http": "u", "all": "a", "no": "n"}),
        ({"HTTP_PROXY": "u", "REQUEST_METHOD": "GET"}, {}),
        ({"http_proxy": "l", "REQUEST_METHOD": "GET"}, {"http": "l"}),
    ],
)
def test_proxies_are_read_as_urllib_does(variables: dict[str, str], proxies: dict[str, str]) -> None:
    assert surroundings(**variables).proxies == proxies


def test_the_file_of_authorities_is_the_first_that_is_named() -> None:
    names = ("SSL_CERT_FILE", "GIT_SSL_CAINFO", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
    for start, name in enumerate(names):
        assert surroundings(**{each: each.lower() for each in names[start:]}).ca_file == name.lower()
    assert surroundings(SSL_CERT_FILE="").ca_file is None


pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="the made-up programs are shell scripts")
