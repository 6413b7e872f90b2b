"""What a push that did not simply succeed is called: moved, refused, denied, unreachable, or unknown.

The rule behind each row: an error that says "not changed" must be true, and everything doubtful is unknown (I3).
"""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

import pytest

from peer_relay.errors import (
    AccessDenied,
    AuthenticationFailed,
    BranchLocked,
    Moved,
    NotAGitServer,
    OutcomeUnknown,
    PeerRelayError,
    PushBlocked,
    PushRefused,
    RateLimited,
    RepositoryNotFound,
    TransportError,
    Unreachable,
)
from peer_relay.git.environment import NetworkEnvironment
from peer_relay.git.outcomes import push_refusal
from peer_relay.git.words import clean, last_lines
from tests.claims import claim
from tests.git.fault_server import (
    PUSH_LISTING,
    PUSHING,
    REF,
    FaultServer,
    Handler,
    Reply,
    answers,
    applied_and,
    changed,
    cut,
    deadline,
    fault_server,
    hang_up,
    one_commit,
    result,
    silence,
    tip,
    trickle,
)
from tests.servers import run_git

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Fault = Callable[[Handler, bytes], None]

__all__ = ["fault_server"]

FIRST, FIRST_OBJECTS = one_commit(None, "first")
SECOND, SECOND_OBJECTS = one_commit(FIRST, "second")
RIVAL, RIVAL_OBJECTS = one_commit(FIRST, "rival")


@pytest.fixture
def mailbox(fault_server: FaultServer) -> Path:
    """Give a mailbox whose branch is at FIRST."""
    transport = fault_server.transport()
    transport.push(REF, None, FIRST, FIRST_OBJECTS, deadline())
    transport.close()
    fault_server.requests.clear()
    return fault_server.root / "mailbox.git"


def outcome(server: FaultServer, seconds: float = 20.0) -> PeerRelayError | None:
    """Push SECOND on FIRST and return the error, or None."""
    transport = server.transport(NetworkEnvironment(environ={"PATH": ""}))
    try:
        transport.push(REF, FIRST, SECOND, SECOND_OBJECTS, deadline(seconds))
    except PeerRelayError as error:
        return error
    finally:
        transport.close()
    return None


# ---------------------------------------------------------------------------------------------------------------------
# Lost and false replies


def band(channel: int, data: bytes) -> bytes:
    return b"%04x%c" % (len(data) + 5, channel) + data


def report(*lines: bytes) -> bytes:
    """Return a push's report as git sends it."""
    packets = b"".join(b"%04x" % (len(line) + 4) + line for line in lines) + b"0000"
    return band(1, packets) + b"0000"


NO_REPORT = "it sent no report about the branch"
LOST: dict[str, tuple[Fault, str]] = {
    "connection closed": (hang_up, "the connection broke off"),
    "answer cut off": (cut, "the connection broke off"),
    "502": (answers(502), "HTTP 502 Bad Gateway"),
    "503": (answers(503, Retry_After="5"), "HTTP 503 Service Unavailable"),
    "504": (answers(504, b"upstream", Content_Type="text/plain"), 'HTTP 504 Gateway Timeout: "upstream"'),
    "408": (answers(408), "HTTP 408 Request Timeout"),
    "empty": (result(b""), "the connection was closed without a word"),
    "flush only": (result(b"0000"), NO_REPORT),
    "empty report": (result(report()), NO_REPORT),
    "another branch": (result(report(b"unpack ok\n", b"ok refs/heads/other\n")), NO_REPORT),
    "no reason": (result(report(b"unpack ok\n", b"ng " + REF + b"\n")), "its answer is not git's protocol"),
    "odd status": (result(report(b"unpack ok\n", b"maybe " + REF + b"\n")), "its answer is not git's protocol"),
    "outage": (result(report(b"unpack ok\n", b"ng " + REF + b" failure\n")), '"failure"'),
    "progress only": (result(band(2, b"Internal Server Error\n") + b"0000"), '"Internal Server Error"'),
    "fatal": (result(band(3, b"Internal Server Error\n") + b"0000"), '"Internal Server Error"'),
    "odd channel": (result(band(7, b"x") + b"0000"), "its answer is not git's protocol"),
    "web page": (answers(200, b"<html>", Content_Type="text/html"), "it answers with text/html"),
    "empty web page": (answers(200), "it answers with something without a type"),
}


@claim("I3")
@pytest.mark.parametrize("applied", [False, True])
@pytest.mark.parametrize("name", LOST)
def test_a_lost_or_false_reply_is_unknown(fault_server: FaultServer, mailbox: Path, name: str, applied: bool) -> None:
    fault, reason = LOST[name]
    fault_server.faults[PUSHING] = applied_and(fault) if applied else fault
    error = outcome(fault_server)
    if name == "answer cut off":
        applied = True
    assert isinstance(error, OutcomeUnknown)
    assert error.reason == reason
    assert tip(mailbox) == (SECOND if applied else FIRST)
    assert fault_server.asked == [PUSH_LISTING, PUSHING]


@claim("I3", "deadline")
@pytest.mark.parametrize("fault", [silence, trickle, applied_and(silence)])
def test_no_reply_in_time_is_unknown(fault_server: FaultServer, mailbox: Path, fault: Fault) -> None:
    fault_server.faults[PUSHING] = fault
    error = outcome(fault_server, 0.8)
    assert isinstance(error, OutcomeUnknown)
    assert error.reason == "no reply within 0.8 seconds"


@claim("I3")
def test_pushing_the_same_again_after_a_lost_reply_succeeds_without_sending_it(
    fault_server: FaultServer, mailbox: Path
) -> None:
    fault_server.faults[PUSHING] = applied_and(hang_up)
    assert isinstance(outcome(fault_server), OutcomeUnknown)
    assert outcome(fault_server) is None
    assert fault_server.asked == [PUSH_LISTING, PUSHING, PUSH_LISTING]


# ---------------------------------------------------------------------------------------------------------------------
# Certain failures


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (301, NotAGitServer),
        (400, PushBlocked),
        (401, AuthenticationFailed),
        (403, AccessDenied),
        (404, RepositoryNotFound),
        (405, PushBlocked),
        (413, PushRefused),
        (429, RateLimited),
    ],
)
def test_a_status_that_says_not_carried_out_is_certain(
    fault_server: FaultServer, mailbox: Path, status: int, kind: type
) -> None:
    fault_server.faults[PUSHING] = answers(status, Location="/elsewhere")
    error = outcome(fault_server)
    assert type(error) is kind
    if isinstance(error, AccessDenied):
        assert error.act == "write"
    if isinstance(error, PushRefused):
        assert error.words in (
            "HTTP 400 Bad Request",
            "HTTP 405 Method Not Allowed",
            "HTTP 413 Request Entity Too Large",
            "HTTP 413 Content Too Large",
        )
    assert tip(mailbox) == FIRST


@pytest.mark.parametrize("fault", [hang_up, answers(502), silence])
def test_a_failure_before_anything_is_sent_is_certain(fault_server: FaultServer, mailbox: Path, fault: Fault) -> None:
    fault_server.faults[PUSH_LISTING] = fault
    error = outcome(fault_server, 0.8)
    assert isinstance(error, TransportError)
    assert not isinstance(error, OutcomeUnknown)
    assert PUSHING not in fault_server.asked


def test_a_connection_that_cannot_be_made_for_the_push_is_certain(
    fault_server: FaultServer, mailbox: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dead = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", 1))]

    def last_answer(handler: Handler, body: bytes) -> None:
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: dead)
        reply = handler.server.backend(handler, body)
        handler.send(Reply(reply.status, reply.headers | {"Connection": "close"}, reply.body))

    fault_server.faults[PUSH_LISTING] = last_answer
    error = outcome(fault_server)
    assert isinstance(error, Unreachable)
    assert error.reason == "Connection refused"
    assert tip(mailbox) == FIRST


def test_a_login_that_is_wanted_for_the_push_alone_is_found(
    fault_server: FaultServer, mailbox: Path, tmp_path: Path
) -> None:
    def wants_login(handler: Handler, body: bytes) -> None:
        if "Authorization" in handler.headers:
            handler.send(handler.server.backend(handler, body))
        else:
            answers(401)(handler, body)

    fault_server.faults[PUSHING] = wants_login
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "git").write_text("#!/bin/sh\necho username=me; echo password=word\n")
    (tmp_path / "bin" / "git").chmod(0o755)
    transport = fault_server.transport(NetworkEnvironment(environ={"PATH": str(tmp_path / "bin")}))
    transport.push(REF, FIRST, SECOND, SECOND_OBJECTS, deadline())
    assert tip(mailbox) == SECOND
    assert fault_server.asked == [PUSH_LISTING, PUSHING, PUSHING]
    transport.close()


# ---------------------------------------------------------------------------------------------------------------------
# Races


@claim("I5")
@pytest.mark.parametrize("expected", [None, SECOND])
def test_a_branch_that_is_elsewhere_has_moved_and_nothing_is_sent(
    fault_server: FaultServer, mailbox: Path, expected: bytes | None
) -> None:
    transport = fault_server.transport()
    with pytest.raises(Moved):
        transport.push(REF, expected, RIVAL, RIVAL_OBJECTS, deadline())
    assert fault_server.asked == [PUSH_LISTING]
    assert tip(mailbox) == FIRST
    transport.close()


@claim("I5")
def test_a_race_that_is_lost_after_the_listing_has_moved(fault_server: FaultServer, mailbox: Path) -> None:
    def rival_first(handler: Handler, body: bytes) -> None:
        del handler.server.faults[PUSHING]
        transport = fault_server.transport()
        transport.push(REF, FIRST, RIVAL, RIVAL_OBJECTS, deadline())
        transport.close()
        handler.send(handler.server.backend(handler, body))

    fault_server.faults[PUSHING] = rival_first
    assert type(outcome(fault_server)) is Moved
    assert tip(mailbox) == RIVAL


@claim("I5")
@pytest.mark.parametrize("change", ["created", "deleted"])
def test_a_race_to_create_or_against_a_deletion_has_moved(
    fault_server: FaultServer, mailbox: Path, change: str
) -> None:
    def meanwhile(handler: Handler, body: bytes) -> None:
        value = FIRST.decode() if change == "created" else "0" * 40
        run_git("update-ref", REF.decode(), value, cwd=mailbox)
        handler.send(handler.server.backend(handler, body))

    if change == "created":
        run_git("update-ref", "-d", REF.decode(), cwd=mailbox)
    fault_server.faults[PUSHING] = meanwhile
    transport = fault_server.transport()
    expected, new, objects = (
        (None, SECOND, [*FIRST_OBJECTS, *SECOND_OBJECTS]) if change == "created" else (FIRST, SECOND, SECOND_OBJECTS)
    )
    with pytest.raises(Moved):
        transport.push(REF, expected, new, objects, deadline())
    assert tip(mailbox) == (FIRST if change == "created" else None)
    transport.close()


@pytest.mark.parametrize(
    ("reason", "said"),
    [
        ("failed to update ref", ""),
        ("failed to update ref", "error: cannot lock ref 'refs/heads/x': is at 12ab but expected 34cd"),
        ("failed to update ref", "error: cannot lock ref 'refs/heads/x': reference already exists"),
        ("cannot lock ref 'refs/heads/x': is at 12ab but expected 34cd", ""),
        ("non-fast-forward", ""),
        ("fetch first", ""),
        ("stale info", ""),
        ("incorrect old value provided", ""),
        ("reference already exists", ""),
        ("reference does not exist", ""),
    ],
)
def test_every_shape_of_a_race_is_moved(reason: str, said: str) -> None:
    assert type(push_refusal("R", reason, said)) is Moved


# ---------------------------------------------------------------------------------------------------------------------
# Refusals


def refuse_by_hook(mailbox: Path, name: str, script: str) -> None:
    hook = mailbox / "hooks" / name
    hook.write_text(f"#!/bin/sh\n{script}\n")
    hook.chmod(0o755)


@claim("I9")
def test_a_refusal_repeats_the_remotes_own_words_cleaned(fault_server: FaultServer, mailbox: Path) -> None:
    words = "\\033[31merror: GH013\\033[0m: Repository rule\\a violations\\r\\n\\n- found \\342\\200\\256 here"
    refuse_by_hook(mailbox, "update", f"printf '{words}\\n' >&2; exit 1")
    error = outcome(fault_server)
    assert isinstance(error, PushRefused)
    assert error.words == (
        "error: GH013: Repository rule? violations - found ??? here error: hook declined to update "
        "refs/heads/peer-relay/room (hook declined)"
    )
    assert tip(mailbox) == FIRST


def test_long_words_are_cut_and_the_reason_is_kept(fault_server: FaultServer, mailbox: Path) -> None:
    refuse_by_hook(mailbox, "pre-receive", "yes 'no no no' | head -c 100000 >&2; exit 1")
    error = outcome(fault_server)
    assert isinstance(error, PushRefused)
    assert error.words.endswith("… (pre-receive hook declined)")
    assert len(error.words) == 600


@claim("secrets-never-shown", "I10")
def test_a_secret_that_the_remote_repeats_is_hidden(fault_server: FaultServer, mailbox: Path) -> None:
    refuse_by_hook(mailbox, "update", "echo 'me:secret-word bWU6c2VjcmV0LXdvcmQ= https://a:b@host/x' >&2; exit 1")
    transport = fault_server.transport(login="me:secret-word@")
    with pytest.raises(PushRefused) as caught:
        transport.push(REF, FIRST, SECOND, SECOND_OBJECTS, deadline())
    assert caught.value.words.startswith("me:[hidden] [hidden] https://host/x error: hook declined")
    transport.close()


def test_a_branch_below_or_above_another_is_no_race(fault_server: FaultServer, mailbox: Path) -> None:
    transport = fault_server.transport()
    with pytest.raises(PushBlocked) as caught:
        transport.push(REF + b"/sub", None, SECOND, [*FIRST_OBJECTS, *SECOND_OBJECTS], deadline())
    assert "exists; cannot create" in caught.value.words
    transport.close()


def test_a_lock_that_was_left_behind_is_no_race(fault_server: FaultServer, mailbox: Path) -> None:
    (mailbox / f"{REF.decode()}.lock").touch()
    error = outcome(fault_server)
    assert isinstance(error, BranchLocked)
    assert "File exists" in error.reason
    assert tip(mailbox) == FIRST


def test_a_hidden_branch_and_a_pack_that_lacks_objects_are_refused(fault_server: FaultServer, mailbox: Path) -> None:
    transport = fault_server.transport()
    with pytest.raises(PushRefused) as caught:
        transport.push(REF, FIRST, SECOND, SECOND_OBJECTS[1:], deadline())
    assert caught.value.words.endswith("missing necessary objects)")
    run_git("config", "receive.hideRefs", "refs/heads/hidden", cwd=mailbox)
    with pytest.raises(PushRefused) as caught:
        transport.push(b"refs/heads/hidden/x", None, SECOND, SECOND_OBJECTS, deadline())
    assert caught.value.words == "deny updating a hidden ref"
    transport.close()


def test_a_pack_that_the_remote_cannot_unpack_is_refused_with_its_words(
    fault_server: FaultServer, mailbox: Path
) -> None:
    run_git("config", "receive.maxInputSize", "10", cwd=mailbox)
    error = outcome(fault_server)
    assert isinstance(error, PushRefused)
    assert "pack exceeds maximum allowed size" in error.words
    assert tip(mailbox) == FIRST


def test_a_repository_that_cannot_be_written_is_a_missing_permission(fault_server: FaultServer, mailbox: Path) -> None:
    # Nothing is closed to root, so the words are git's and the folder is not.
    fault_server.faults[PUSHING] = result(report(b"unpack unable to create temporary object directory\n"))
    error = outcome(fault_server)
    assert isinstance(error, AccessDenied)
    assert (error.act, error.reason) == ("write", '"unpack unable to create temporary object directory"')


PUSH_PROTECTION = """error: GH013: Repository rule violations found for refs/heads/peer-relay/x.

- GITHUB PUSH PROTECTION
  —————————————————————————————————————————
    Resolve the following violations before pushing again

    - Push cannot contain secrets
"""
CREATION_RESTRICTED = """error: GH013: Repository rule violations found for refs/heads/peer-relay/x.
Review all repository rules at https://github.com/alice/mailbox/rules

- Cannot create ref due to creations being restricted.
"""
TOO_BIG = "Your push has been rejected, because this repository has exceeded its size limit of 10 GB by 5 MB."


@pytest.mark.parametrize(
    ("reason", "said", "expected"),
    [
        ("pre-receive hook declined", "is at 1 but expected 2", PushRefused),
        ("pre-receive hook declined", "no: 'No space left on device' is a secret", PushRefused),
        ("pre-receive hook declined", "the question says: GitLab: You are not allowed to push code to", PushRefused),
        ("push declined due to repository rule violations", PUSH_PROTECTION, PushRefused),
        ("protected branch hook declined", "permission denied", PushBlocked),
        ("pre-receive hook declined", "\nGitLab: You are not allowed to push code to protected branches.", PushBlocked),
        ("push declined due to repository rule violations", CREATION_RESTRICTED, PushBlocked),
        ("refname conflict", "", PushBlocked),
        ("unpack index-pack abnormal exit", "fatal: write error: No space left on device", PushBlocked),
        ("unpacker error", "error: file write error: Disk quota exceeded", PushBlocked),
        ("pre-receive hook declined", f"GitLab: {TOO_BIG}", PushBlocked),
        ("failed to update ref", "error: Unable to create '/x/refs/heads/y.lock': Permission denied", AccessDenied),
        ("failed to update ref", "error: Unable to create '/x/y.lock': Read-only file system", AccessDenied),
        ("failed to update ref", "fatal: Unable to create '/x/y.lock': File exists.", BranchLocked),
        ("failure", "remote: fatal error in commit_refs", OutcomeUnknown),
        ("Internal Server Error", "", OutcomeUnknown),
    ],
)
def test_what_is_no_race_is_called_what_it_is(reason: str, said: str, expected: type) -> None:
    assert type(push_refusal("R", reason, said)) is expected


# ---------------------------------------------------------------------------------------------------------------------
# Words


@claim("I9")
@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain", "plain"),
        (b"caf\xc3\xa9 \xff", "café �"),
        ("a\tb\r\n\n  c\u2028d", "a b c d"),
        ("\x1b[1;31mred\x1b[0m \x1b]0;title\x07x \x1b]8;;u\x1b\\y \x1bcz ?[0Kw", "red x y z w"),
        ("a\x00\x07\x9b\u202e\u2066\u200b\U000e0041b", "ab"),
        ("x" * 700, "x" * 599 + "…"),
        ("see https://me:word@host/x and ssh://me@host/y", "see https://host/x and ssh://host/y"),
    ],
)
def test_words_become_one_printable_line(text: str | bytes, shown: str) -> None:
    assert clean(text) == shown


def test_longer_secrets_are_hidden_before_their_parts() -> None:
    assert clean("ab abc", secrets=["ab", "abc", ""]) == "[hidden] [hidden]"


def test_the_last_lines_are_those_with_something_in_them() -> None:
    assert last_lines(b"one\r\n\ntwo\n  \nthree\xff\n", 2) == "two\nthree�"
    assert last_lines("one", 2) == "one"


def test_a_changed_answer_is_the_answer(fault_server: FaultServer, mailbox: Path) -> None:
    refused = report(b"unpack ok\n", b"ng " + REF + b" hook declined\n")
    fault_server.faults[PUSHING] = changed(lambda reply: Reply(reply.status, reply.headers, refused))
    assert isinstance(outcome(fault_server), PushRefused)
