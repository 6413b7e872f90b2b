"""What a person and an agent meet of the guard: the option of the command line, which the tools do not have."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING

import pytest
from mcp_types import CallToolRequestParams

from peer_relay import own_secrets
from peer_relay.cli import drafts
from peer_relay.cli.connection import open_configured
from peer_relay.server.calls import Calls
from peer_relay.server.mailbox import Mailbox
from peer_relay.server.tools import FACES, schema_of
from tests.claims import claim
from tests.cli.people import Person, init
from tests.cli.support import run
from tests.secrets.corpus import filled, seeded, with_crc

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

RANDOM = seeded(5)
GITHUB = with_crc("gho_", RANDOM)
REFUSED = "error: Nothing was stored, because it seems to hold {} (line {} of {}). Take it out"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Open a room for somebody with a home of their own."""
    with Person(tmp_path / "alice", monkeypatch) as alice:
        init(tmp_path / "mailbox.git")
        yield alice.home


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def token_of(home: Path) -> str:
    (path,) = home.glob("saved-rooms/*.json")
    token = json.loads(path.read_text(encoding="utf-8"))["token"]
    assert isinstance(token, str)
    return token


def outbox(home: Path) -> list[Path]:
    return [*home.glob("rooms/*/*/outbox/*"), *home.glob("rooms/*/*/asked/*")]


@claim("no-secret-goes-out", "secrets-never-shown")
def test_a_person_is_refused_told_where_it_is_and_may_send_it_all_the_same(home: Path) -> None:
    refused = run("ask", f"Why\ndoes {GITHUB} fail?")
    assert (refused.exit_code, refused.stdout) == (1, "")
    assert refused.stderr.startswith(REFUSED.format("a GitHub token", 2, "the question"))
    assert (GITHUB in refused.stderr, outbox(home)) == (False, [])
    sent = run("ask", f"Why\ndoes {GITHUB} fail?", "--allow-secret")
    assert (sent.exit_code, "was delivered." in sent.stdout) == (0, True)
    note = "note: It was taken although it seems to hold a GitHub token (line 2 of the question).\n"
    assert sent.stderr == note


def test_a_program_reads_what_kind_of_error_it_is(home: Path) -> None:
    refused = run("ask", GITHUB, "--json")
    told = json.loads(refused.stderr)["error"]
    assert (told["type"], told["retryable"], refused.exit_code) == ("SecretFound", False, 1)


def test_a_text_that_was_written_by_hand_is_kept_for_its_writer_alone(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(drafts, "on_terminal", lambda: True)
    refused = run("ask", "-", given=f"It is {GITHUB}\n")
    (kept,) = home.glob("drafts/*.md")
    assert f"Your text is kept: `peer-relay ask - < {kept}` sends it." in refused.stderr
    assert (kept.read_text(encoding="utf-8").strip(), kept.stat().st_mode & 0o777) == (f"It is {GITHUB}", 0o600)


@claim("I10")
@pytest.mark.parametrize("more", [(), ("--allow-secret",)])
def test_the_token_of_a_saved_room_goes_nowhere_in_no_form(home: Path, more: tuple[str, ...]) -> None:
    token = token_of(home)
    for form in (token, base64.b64encode(f"x{token}".encode()).decode(), f"{token[:30]}\n  {token[30:]}"):
        refused = run("ask", f"It is {form}", *more)
        assert (refused.exit_code, outbox(home)) == (1, [])
        assert "Take it out: a room token, an invite or a login for a mailbox is never sent." in refused.stderr
        assert token not in refused.stderr


@pytest.mark.parametrize(
    ("name", "value", "is_looked_for"),
    [
        ("GITHUB_TOKEN", "short-one", True),
        ("GITHUB_TOKEN", "short", False),
        ("PEER_RELAY_GIT_PASSWORD", "battery-staple", True),
        ("PEER_RELAY_REMOTE", "https://me:battery%20staple7@host/x.git", True),
        ("SOME_API_KEY", "k7abcdefghijkl", True),
        ("DATABASE_PASSWORD", "postgres", False),
        ("SOME_SECRET", "/run/secrets/one1", False),
        ("SOME_CREDENTIALS", "service-account-2.json", False),
        ("MAX_OUTPUT_TOKENS", "k7abcdefghijkl", False),
        ("SOME_TOKEN", "${SOME_TOKEN_7}", False),
        ("SOME_TOKEN", "123456789012345", False),
    ],
)
def test_of_the_environment_count_those_values_that_are_credentials(
    name: str, value: str, is_looked_for: bool, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, value)
    spoken = "batterystaple7" if name == "PEER_RELAY_REMOTE" else value
    found = [each for each in own_secrets.known_secrets() if spoken in each.forms()]
    assert bool(found) is is_looked_for
    assert spoken not in repr(found)


@pytest.mark.parametrize(("value", "is_own"), [("password", False), ("passw0rd-17", True)])
def test_a_password_that_may_be_a_word_of_any_text_keeps_nobody_from_writing_it(
    value: str, is_own: bool, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PEER_RELAY_GIT_PASSWORD", value)
    monkeypatch.setenv("PEER_RELAY_REMOTE", f"https://me:{value}@host/x.git")
    found = [each.is_own for each in own_secrets.known_secrets() if value in each.forms()]
    assert found == [is_own, is_own]


def test_a_wrong_address_or_setting_does_not_keep_the_others_from_being_known(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PEER_RELAY_REMOTE", "https://[::1/x")
    monkeypatch.setenv("PEER_RELAY_TIMEOUT", "never")
    monkeypatch.setenv("GH_TOKEN", filled("<A20>", RANDOM))
    assert {each.kind for each in own_secrets.known_secrets()} >= {"the value of GH_TOKEN"}


@claim("no-secret-goes-out")
def test_no_tool_has_an_argument_that_lets_a_secret_through() -> None:
    arguments = {name for face in FACES for name in schema_of(face.arguments)["properties"]}
    assert [name for name in arguments if "secret" in name or "allow" in name or "force" in name] == []
    assert all(schema_of(face.arguments)["additionalProperties"] is False for face in FACES)


@claim("no-secret-goes-out", "secrets-never-shown")
@pytest.mark.anyio
async def test_an_agent_is_told_the_kind_and_the_line_and_cannot_insist(home: Path) -> None:
    mailbox = Mailbox(open_configured)
    calls = Calls(mailbox, receipts=None, on_queued=lambda: None)  # type: ignore[arg-type]
    try:
        refused = await calls.call(None, CallToolRequestParams(name="ask_peer", arguments={"question": GITHUB}))  # type: ignore[arg-type]
        arguments = {"question": GITHUB, "allow_secret": True}
        insisted = await calls.call(None, CallToolRequestParams(name="ask_peer", arguments=arguments))  # type: ignore[arg-type]
    finally:
        mailbox.settle()
    told = [each.content[0].text for each in (refused, insisted)]  # type: ignore[union-attr]
    assert told[0].startswith(REFUSED.removeprefix("error: ").format("a GitHub token", 1, "the question"))
    assert "there are no other arguments than question, context_hint" in told[1]
    assert (refused.is_error, insisted.is_error, outbox(home)) == (True, True, [])
