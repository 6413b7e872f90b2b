"""The ssh transport against a real sshd, and against programs in the place of ssh that misbehave."""

from __future__ import annotations

import contextlib
import io
import os
import re
import shlex
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from dulwich.objects import Blob

from peer_relay.errors import (
    AccessDenied,
    AuthenticationFailed,
    DeadlineExceeded,
    Moved,
    NotAGitServer,
    OutcomeUnknown,
    PeerRelayError,
    PushRefused,
    RepositoryNotFound,
    TooLarge,
    Unreachable,
)
from peer_relay.git.environment import NetworkEnvironment
from peer_relay.git.multiplexing import Multiplexing
from peer_relay.git.outcomes import GIT_MISSING, HOST_KEY_ADVICE, HOST_KEY_UNKNOWN, KEY_ADVICE, KEY_REFUSED
from peer_relay.git.remote import parse_remote
from peer_relay.git.ssh import SshTransport
from peer_relay.git.transport import FetchReply, FetchRequest
from tests.claims import claim
from tests.git.fault_server import REF, deadline, one_commit, tip, witness
from tests.servers import create_repository, run_git

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.servers import SshServer

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="the made-up programs are shell scripts")


_OPENED: list[SshTransport] = []


@pytest.fixture(autouse=True)
def _closed() -> Iterator[None]:
    """End the connections that are shared."""
    yield
    while _OPENED:
        _OPENED.pop().close()


def transport_to(url: str, command: str, **variables: str) -> SshTransport:
    environment = NetworkEnvironment.from_environ({**os.environ, "GIT_SSH_COMMAND": command, **variables})
    _OPENED.append(SshTransport(parse_remote(url), environment))
    return _OPENED[-1]


def failure(call: Callable[[], object]) -> PeerRelayError:
    with pytest.raises(PeerRelayError) as caught:
        call()
    return caught.value


# ---------------------------------------------------------------------------------------------------------------------
# A real sshd


def test_a_mailbox_behind_ssh_is_read_pushed_to_and_fetched(ssh_server: SshServer, tmp_path: Path) -> None:
    repository = create_repository(tmp_path / "it's a mailbox.git".replace(" ", "-"))
    transport = transport_to(ssh_server.url(repository), ssh_server.ssh_command)
    assert transport.read_ref(REF, deadline()) is None
    first, objects = one_commit(None, "first")
    transport.push(REF, None, first, objects, deadline())
    assert transport.read_ref(REF, deadline()) == first == tip(repository)
    second, objects = one_commit(first, "second")
    transport.push(REF, first, second, objects, deadline())
    transport.push(REF, first, second, objects, deadline())
    sink = io.BytesIO()
    reply = transport.fetch(FetchRequest(ref=REF, depth=1), sink, deadline())
    assert reply == FetchReply(second, shallow=frozenset({second}))
    run_git("index-pack", "--stdin", cwd=create_repository(tmp_path / "clone.git"), data=sink.getvalue())
    sink = io.BytesIO()
    assert transport.fetch(FetchRequest(ref=REF, have=second), sink, deadline()) == FetchReply(second)
    assert sink.getvalue() == b""
    transport.close()


def test_ssh_speaks_version_two_for_reading(ssh_server: SshServer, tmp_path: Path) -> None:
    repository = create_repository(tmp_path / "mailbox.git")
    hook = f"tee {shlex.quote(str(tmp_path / 'seen'))}"
    script = write_script(tmp_path, f'{ssh_server.ssh_command} "$@" | {hook}')
    assert transport_to(ssh_server.url(repository), script).read_ref(REF, deadline()) is None
    assert (tmp_path / "seen").read_bytes().startswith(b"000eversion 2\n")


@pytest.mark.parametrize(
    ("command", "kind", "text"),
    [
        ("ssh_command_without_key", AuthenticationFailed, f"refused the login: {KEY_REFUSED}. {KEY_ADVICE}"),
        ("ssh_command_unknown_host", Unreachable, f"cannot be reached: {HOST_KEY_UNKNOWN}. {HOST_KEY_ADVICE}"),
    ],
)
def test_a_key_that_is_not_accepted_has_a_sentence(
    ssh_server: SshServer, tmp_path: Path, command: str, kind: type, text: str
) -> None:
    transport = transport_to(ssh_server.url(tmp_path / "x.git"), getattr(ssh_server, command))
    error = failure(lambda: transport.read_ref(REF, deadline()))
    assert type(error) is kind
    assert str(error) == f"{transport.remote} {text}"


def test_a_repository_that_is_not_there_is_not_found(ssh_server: SshServer, tmp_path: Path) -> None:
    transport = transport_to(ssh_server.url(tmp_path / "x.git"), ssh_server.ssh_command)
    assert type(failure(lambda: transport.read_ref(REF, deadline()))) is RepositoryNotFound
    new, objects = one_commit(None, "first")
    assert type(failure(lambda: transport.push(REF, None, new, objects, deadline()))) is RepositoryNotFound


def test_nobody_listening_is_unreachable(ssh_server: SshServer) -> None:
    transport = transport_to("ssh://me@127.0.0.1:1/x", ssh_server.ssh_command)
    error = failure(lambda: transport.read_ref(REF, deadline()))
    assert error.what == (
        'ssh://me@127.0.0.1:1/x cannot be reached: "ssh: connect to host 127.0.0.1 port 1: Connection refused".'
    )


def test_a_hook_that_declines_is_quoted(ssh_server: SshServer, tmp_path: Path) -> None:
    repository = create_repository(tmp_path / "mailbox.git")
    hook = repository / "hooks" / "pre-receive"
    hook.write_text("#!/bin/sh\nprintf '\\033[31mclosed on\\033[0m\\nSundays\\n' >&2\nexit 1\n")
    hook.chmod(0o755)
    transport = transport_to(ssh_server.url(repository), ssh_server.ssh_command)
    new, objects = one_commit(None, "first")
    error = failure(lambda: transport.push(REF, None, new, objects, deadline()))
    assert isinstance(error, PushRefused)
    assert error.words == "closed on Sundays (pre-receive hook declined)"
    assert tip(repository) is None


def test_a_branch_that_is_elsewhere_has_moved(ssh_server: SshServer, tmp_path: Path) -> None:
    repository = create_repository(tmp_path / "mailbox.git")
    transport = transport_to(ssh_server.url(repository), ssh_server.ssh_command)
    first, objects = one_commit(None, "first")
    transport.push(REF, None, first, objects, deadline())
    other, objects = one_commit(None, "other")
    assert type(failure(lambda: transport.push(REF, None, other, objects, deadline()))) is Moved
    assert type(failure(lambda: transport.push(REF, other, other, objects, deadline()))) is Moved
    assert tip(repository) == first


# ---------------------------------------------------------------------------------------------------------------------
# Programs in the place of ssh

# Runs what ssh would run there, here, without protocol version 2.
HERE = 'unset GIT_PROTOCOL; for last; do :; done; exec sh -c "$last"'


def write_script(folder: Path, body: str, name: str = "made-up-ssh") -> str:
    script = folder / name
    script.write_text(f"#!/bin/sh\n{body}\n")
    script.chmod(0o755)
    return str(script)


@pytest.fixture
def mailbox(tmp_path: Path) -> Path:
    return create_repository(tmp_path / "mailbox.git")


def test_a_server_that_knows_no_version_two_is_served_all_the_same(mailbox: Path, tmp_path: Path) -> None:
    transport = transport_to(f"ssh://host{mailbox}", write_script(tmp_path, HERE))
    first, objects = one_commit(None, "first")
    assert transport.read_ref(REF, deadline()) is None
    transport.push(REF, None, first, objects, deadline())
    second, objects = one_commit(first, "second")
    transport.push(REF, first, second, objects, deadline())
    sink = io.BytesIO()
    reply = transport.fetch(FetchRequest(ref=REF, depth=1), sink, deadline())
    assert reply == FetchReply(second, shallow=frozenset({second}))
    sink = io.BytesIO()
    assert transport.fetch(FetchRequest(ref=REF, have=first), sink, deadline()) == FetchReply(second)
    run_git("index-pack", "--stdin", "--fix-thin", cwd=mailbox, data=sink.getvalue())


def test_the_arguments_are_those_of_openssh_or_of_plink(tmp_path: Path) -> None:
    for name, expected in {
        "plink": "-batch -P 2222 me@host git-upload-pack '~/it'\\''s'",
        "TortoisePlink.exe": "-batch -P 2222 me@host git-upload-pack '~/it'\\''s'",
        "made-up-ssh": (
            "-x -o BatchMode=yes -o ConnectTimeout=20 -o LogLevel=ERROR -o ServerAliveInterval=5 "
            "-o ServerAliveCountMax=3 -o SendEnv=GIT_PROTOCOL -p 2222 me@host git-upload-pack '~/it'\\''s'"
        ),
    }.items():
        script = write_script(tmp_path, 'printf "%s" "$*" > $SEEN/argv; env > $SEEN/environment', name)
        transport = transport_to("ssh://me@host:2222/~/it's", script, SEEN=str(tmp_path), SSH_ASKPASS="x")
        failure(lambda transport=transport: transport.read_ref(REF, deadline()))  # type: ignore[misc]
        assert (tmp_path / "argv").read_text() == expected
        environment = (tmp_path / "environment").read_text().splitlines()
        assert {"GIT_PROTOCOL=version=2", "SSH_ASKPASS=", "SSH_ASKPASS_REQUIRE=never"} <= set(environment)


def test_a_push_asks_for_no_version(mailbox: Path, tmp_path: Path) -> None:
    script = write_script(tmp_path, f'env > {tmp_path}/environment; for last; do :; done; exec sh -c "$last"')
    transport = transport_to(f"me@host:{mailbox}", script, GIT_PROTOCOL="version=2")
    new, objects = one_commit(None, "first")
    transport.push(REF, None, new, objects, deadline())
    assert "GIT_PROTOCOL" not in (tmp_path / "environment").read_text()
    assert tip(mailbox) == new


@claim("deadline")
@pytest.mark.parametrize("noise", ["", "echo '# service'; ", "printf 0"])
def test_a_host_that_says_nothing_ends_with_the_deadline_and_leaves_no_process(tmp_path: Path, noise: str) -> None:
    script = write_script(tmp_path, f"exec 3> {tmp_path}/alive; echo >&3; {noise}\nsleep 60 & wait")
    transport = transport_to("me@host:x", script)
    with witness(tmp_path / "alive") as all_ended:
        started = time.monotonic()
        error = failure(lambda: transport.read_ref(REF, deadline(0.5)))
        assert time.monotonic() - started < 5
        assert type(error) is (NotAGitServer if "#" in noise else DeadlineExceeded)
        assert all_ended()


@claim("deadline", "I3")
@pytest.mark.parametrize("when", ["prepared", "committed"])
def test_a_push_without_a_reply_has_an_unknown_outcome(mailbox: Path, tmp_path: Path, when: str) -> None:
    hook = mailbox / "hooks" / "reference-transaction"
    hook.write_text(f'#!/bin/sh\ntest "$1" != {when} || sleep 60\n')
    hook.chmod(0o755)
    transport = transport_to(f"me@host:{mailbox}", write_script(tmp_path, HERE))
    new, objects = one_commit(None, "first")
    error = failure(lambda: transport.push(REF, None, new, objects, deadline(1.5)))
    assert isinstance(error, OutcomeUnknown)
    assert error.reason == "no reply within 1.5 seconds"
    assert tip(mailbox) == (new if when == "committed" else None)


@claim("I3")
def test_a_connection_that_breaks_while_the_pack_is_sent_has_an_unknown_outcome(tmp_path: Path) -> None:
    announced = b"0" * 40 + b" capabilities^{}\0report-status\n"
    (tmp_path / "announced").write_bytes(b"%04x" % (len(announced) + 4) + announced + b"0000")
    script = write_script(tmp_path, f"cat {tmp_path}/announced; exec <&-; sleep 0.2; echo gone >&2")
    blob = Blob.from_string(os.urandom(4 << 20))
    new, objects = one_commit(None, "first")
    error = failure(lambda: transport_to("me@host:x", script).push(REF, None, new, [blob, *objects], deadline()))
    assert isinstance(error, OutcomeUnknown)
    assert error.reason == '"gone"'


def test_a_program_that_stays_after_its_answer_is_ended(tmp_path: Path) -> None:
    script = write_script(tmp_path, f"exec 3> {tmp_path}/alive; echo >&3; echo garbage; sleep 60 & wait")
    with witness(tmp_path / "alive") as all_ended:
        started = time.monotonic()
        assert type(failure(lambda: transport_to("me@host:x", script).read_ref(REF, deadline()))) is NotAGitServer
        assert time.monotonic() - started < 10
        assert all_ended()


def test_close_ends_what_another_thread_waits_for(tmp_path: Path) -> None:
    script = write_script(tmp_path, f"exec 3> {tmp_path}/alive; echo >&3; sleep 60 & wait")
    transport = transport_to("me@host:x", script)
    caught: list[PeerRelayError] = []
    with witness(tmp_path / "alive") as all_ended:
        call = threading.Thread(target=lambda: caught.append(failure(lambda: transport.read_ref(REF, deadline()))))
        call.start()
        while not transport._call or not transport._call._process:
            assert call.is_alive()
        transport.close()
        call.join(10)
        assert [type(error) for error in caught] == [Unreachable]
        assert all_ended()
    transport.close()


def test_a_flood_on_standard_error_does_not_stop_the_conversation(mailbox: Path, tmp_path: Path) -> None:
    script = write_script(tmp_path, f"head -c 3000000 /dev/zero >&2; {HERE}")
    assert transport_to(f"me@host:{mailbox}", script).read_ref(REF, deadline()) is None


@pytest.mark.parametrize(
    ("words", "kind", "reason"),
    [
        ("sh: 1: git-upload-pack: not found", Unreachable, GIT_MISSING),
        ("ERROR: Repository not found.", RepositoryNotFound, None),
        ("remote: ERROR: The project you were looking for could not be found", RepositoryNotFound, None),
        ("fatal: '/srv/x': Permission denied", AccessDenied, "fatal: '/srv/x': Permission denied"),
        ("ERROR: Permission to a/b.git denied to c.", AccessDenied, "ERROR: Permission to a/b.git denied to c"),
        ("me@host: Permission denied (publickey,password).", AuthenticationFailed, None),
        ("ssh: Could not resolve hostname x: Name or service not known", Unreachable, None),
        ("Host key verification failed.", Unreachable, HOST_KEY_UNKNOWN),
        ("", Unreachable, "the connection was closed without a word"),
        ("\x1b[31m\u202eodd\x07 words\n", Unreachable, "odd words"),
    ],
)
def test_the_last_words_of_ssh_say_what_went_wrong(tmp_path: Path, words: str, kind: type, reason: str | None) -> None:
    (tmp_path / "words").write_text(f"banner\n{words}\n" if words and "\x1b" not in words else words)
    script = write_script(tmp_path, f"cat {tmp_path}/words >&2; exit 255")
    error = failure(lambda: transport_to("me@host:x", script).read_ref(REF, deadline()))
    assert type(error) is kind
    if reason is not None:
        assert str(getattr(error, "reason", "")).strip('"').removeprefix("banner ") == reason


def test_a_deploy_key_that_may_only_read_is_said_so(tmp_path: Path) -> None:
    script = write_script(
        tmp_path, "echo 'ERROR: The key you are authenticating with has been marked as read only.' >&2"
    )
    new, objects = one_commit(None, "first")
    transport = transport_to("git@github.com:a/b.git", script)
    error = failure(lambda: transport.push(REF, None, new, objects, deadline()))
    assert isinstance(error, AccessDenied)
    assert error.act == "write"


# What OpenSSH writes around the words of the remote when it is told to say how the login was made.
SAYS_HOW = """
case "$*" in *LogLevel=VERBOSE*) ;; *) exec 2>/dev/null ;; esac
echo 'Welcome. Access denied to strangers.' >&2
echo 'Authenticated to host ([10.0.0.1]:22)METHOD.' >&2
LAST_WORDS
echo 'Transferred: sent 3548, received 3300 bytes, in 0.1 seconds' >&2
echo 'Bytes per second: sent 26532.4, received 24677.9' >&2
"""


@pytest.mark.parametrize(
    ("method", "login"), [(' using "keyboard-interactive"', " (keyboard-interactive)"), ("", ""), (' using "\a"', "")]
)
def test_how_ssh_logged_in_is_told_and_stays_out_of_the_words(
    mailbox: Path, tmp_path: Path, method: str, login: str
) -> None:
    told = SAYS_HOW.replace("METHOD", method)
    script = write_script(tmp_path, told.replace("LAST_WORDS", HERE.replace("exec ", "")))
    transport = transport_to(f"me@host:{mailbox}", script)
    transport.check_write(REF, deadline())
    assert transport.login == f"{script}{login}"
    script = write_script(tmp_path, told.replace("LAST_WORDS", "echo 'ERROR: The repository is archived.' >&2"))
    error = failure(lambda: transport.check_write(REF, deadline()))
    assert isinstance(error, Unreachable)
    assert error.reason.strip('"') == "ERROR: The repository is archived"


def test_what_a_push_would_be_told_is_told_by_the_check_as_well(ssh_server: SshServer, tmp_path: Path) -> None:
    repository = create_repository(tmp_path / "mailbox.git")
    new, objects = one_commit(None, "first")
    for command in (ssh_server.ssh_command_read_only, ssh_server.ssh_command_without_key):
        transport = transport_to(ssh_server.url(repository), command)
        refused = failure(lambda transport=transport: transport.push(REF, None, new, objects, deadline()))
        checked = failure(lambda transport=transport: transport.check_write(REF, deadline()))
        assert (type(checked), str(checked)) == (type(refused), str(refused))


def test_a_greeting_on_standard_output_is_not_gits_protocol(tmp_path: Path) -> None:
    script = write_script(tmp_path, "echo 'Welcome to this machine!'")
    error = failure(lambda: transport_to("me@host:x", script).read_ref(REF, deadline()))
    assert str(error) == (
        "What answered at me@host:x is not a git repository that peer-relay can use (its answer is not git's "
        "protocol). Check the address, and that the shell of that account prints nothing of its own."
    )


def test_an_error_in_the_protocol_itself_is_understood(tmp_path: Path) -> None:
    script = write_script(tmp_path, "printf '0023ERR Repository x was not found.'")
    error = failure(lambda: transport_to("me@host:x", script).read_ref(REF, deadline()))
    assert type(error) is RepositoryNotFound


@claim("memory-bounds")
def test_an_endless_list_of_branches_is_cut_off(tmp_path: Path) -> None:
    script = write_script(tmp_path, f"exec yes '003e{'1' * 40} refs/heads/other'")
    error = failure(lambda: transport_to("me@host:x", script).read_ref(REF, deadline()))
    assert isinstance(error, TooLarge)
    assert error.reason == "a list of branches of more than 100,000 lines"


@pytest.mark.parametrize("program", ["/nowhere/ssh", "/etc/passwd"])
def test_a_missing_program_is_named(program: str) -> None:
    error = failure(lambda: transport_to("me@host:x", program).read_ref(REF, deadline()))
    why = "No such file or directory" if "nowhere" in program else "Permission denied"
    assert str(error) == (
        f"me@host:x cannot be reached: the program {program} does not start ({why}). Install OpenSSH, or name your ssh "
        "program in GIT_SSH_COMMAND."
    )


def test_an_expired_deadline_starts_nothing(tmp_path: Path) -> None:
    script = write_script(tmp_path, f"touch {tmp_path}/started")
    error = failure(lambda: transport_to("me@host:x", script).read_ref(REF, deadline(0)))
    assert type(error) is DeadlineExceeded
    assert not (tmp_path / "started").exists()


# ---------------------------------------------------------------------------------------------------------------------
# One connection for all sessions


def connections(server: SshServer) -> int:
    return (server.root.parent / "sshd.log").read_text().count("Accepted publickey")


def shared_folder(transport: SshTransport) -> Path:
    assert transport._shared._folder is not None
    return Path(transport._shared._folder)


def sharer(transport: SshTransport) -> int:
    """Return the process that holds the shared connection."""
    check = ["ssh", "-S", f"{shared_folder(transport)}/s", "-O", "check", "host"]
    told = subprocess.run(check, capture_output=True, text=True, timeout=10, check=True).stderr
    return int(re.sub(r"\D", "", told))


def test_all_sessions_share_one_connection_which_ends_with_the_transport(ssh_server: SshServer, tmp_path: Path) -> None:
    repository = create_repository(tmp_path / "mailbox.git")
    transport = transport_to(ssh_server.url(repository), ssh_server.ssh_command)
    before = connections(ssh_server)
    first, objects = one_commit(None, "first")
    transport.push(REF, None, first, objects, deadline())
    assert transport.read_ref(REF, deadline()) == first
    second, objects = one_commit(first, "second")
    transport_to(f"me@host:{repository}", write_script(tmp_path, HERE)).push(REF, first, second, objects, deadline())
    assert transport.read_ref(REF, deadline()) == second  # as git reads it once in a session, this is another one
    run_git("gc", "--quiet", cwd=repository)
    assert transport.read_ref(REF, deadline()) == second
    folder = shared_folder(transport)
    assert folder.stat().st_mode & 0o777 == 0o700
    assert connections(ssh_server) == before + 1
    transport.check_write(REF, deadline())
    assert transport.login == f"{transport._environment.ssh_command[0]} (publickey)"
    assert connections(ssh_server) == before + 2
    process = sharer(transport)
    transport.close()
    assert not folder.exists()
    end = time.monotonic() + 10
    while Path(f"/proc/{process}").exists():
        assert time.monotonic() < end, "it was not told to end"


@claim("deadline")
@pytest.mark.parametrize("event", [signal.SIGKILL, signal.SIGSTOP])
def test_a_shared_connection_that_died_or_is_silent_is_replaced(
    ssh_server: SshServer, tmp_path: Path, event: signal.Signals
) -> None:
    repository = create_repository(tmp_path / "mailbox.git")
    transport = transport_to(ssh_server.url(repository), ssh_server.ssh_command)
    assert transport.read_ref(REF, deadline()) is None
    before, process = connections(ssh_server), sharer(transport)
    os.kill(process, event)
    try:
        if event == signal.SIGSTOP:
            assert type(failure(lambda: transport.read_ref(REF, deadline(0.3)))) is DeadlineExceeded
        first, objects = one_commit(None, "first")
        transport.push(REF, None, first, objects, deadline())
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.kill(process, signal.SIGKILL)
    assert transport.read_ref(REF, deadline()) == first
    assert connections(ssh_server) == before + 1


def test_a_connection_that_is_refused_is_tried_once(tmp_path: Path) -> None:
    told = f'case "$*" in *-G*) echo controlmaster false ;; *) echo "$*" >> {tmp_path}/runs; exit 255 ;; esac'
    transport = transport_to("me@host:x", write_script(tmp_path, told, "ssh"))
    for runs in (1, 2):
        assert type(failure(lambda: transport.read_ref(REF, deadline()))) is Unreachable
        assert transport._shared._folder is None
        arguments = (tmp_path / "runs").read_text().splitlines()
        assert len(arguments) == runs
        shared = r" -o ControlMaster=auto -o ControlPath=/\S+/s -o ControlPersist=60 -o ClearAllForwardings=yes "
        assert re.search(f"{shared}me@host git-upload-pack", arguments[-1])


@pytest.mark.parametrize(
    ("configuration", "words"),
    [
        ("Host example.org\n  ControlMaster auto\n", ()),
        ("ControlPath ~/.ssh/%C\n", ()),
        ("", ("-S", "mine")),
        ("", ("-M",)),
        ("Nonsense yes\n", ()),
    ],
)
def test_a_user_who_shares_connections_already_keeps_to_that(
    tmp_path: Path, configuration: str, words: tuple[str, ...]
) -> None:
    (tmp_path / "config").write_text(configuration)
    shared = Multiplexing(NetworkEnvironment.from_environ(os.environ))
    assert shared.options(["ssh", "-F", str(tmp_path / "config"), *words], ["example.org"]) == []
    assert shared._folder is None


def test_no_connection_is_shared_at_a_path_that_is_too_long(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ("x" * 90)).mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / ("x" * 90)))
    shared = Multiplexing(NetworkEnvironment.from_environ(os.environ))
    assert shared.options(["ssh", "-F", "/dev/null"], ["example.org"]) == []
    assert list((tmp_path / ("x" * 90)).iterdir()) == []
