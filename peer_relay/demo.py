"""The demonstration: alice's agent asks, bob's agent answers, through a real mailbox and two real servers.

1. Nothing is simulated: the rooms are made by `init` and `join`, each agent is the official MCP client with its own
   `peer-relay serve` process, and what is left is shown by `peer-relay log` and, where it is installed, by plain git.
2. It believes nothing: what alice reads, and what the mailbox holds, is compared with what was said.
3. Nothing of the user's is touched: both sides have a home of their own in a temporary folder. A mailbox that was
   named keeps one branch, which is named in turn.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from mcp import Client, MCPError, StdioServerParameters

from peer_relay.cli.terminal import indented
from peer_relay.commits import cut
from peer_relay.invite import parse_invite
from peer_relay.keys import RoomKeys
from peer_relay.paths import Kind, Place, branch_ref, path_for

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    Say = Callable[[str], None]

PROGRAM = (sys.executable, "-m", "peer_relay")
QUESTION = "Why does the session token expire after 15 minutes? Mobile users are logged out while they fill in a form."
CONTEXT_HINT = "src/auth/session.py: SESSION_TTL = 900"
ANSWER = (
    "It is on purpose: an access token cannot be revoked, so 15 minutes is how long a stolen one works. The client is\n"
    "meant to renew it with the refresh token, which lives for 30 days; the mobile app does not do that yet."
)
SOURCES = ("docs/decisions/0007-short-lived-tokens.md", "src/auth/session.py:42", "commit 3f9c2d1")

_OWN = ("REMOTE", "ROOM_TOKEN", "PEER_ID", "ROOM", "HOME")
_COMMAND_LIMIT_S = 120.0
_WAIT_S = 20


class Surprise(Exception):
    """Something did not go as it should; the text is a sentence."""


@dataclass(frozen=True)
class Side:
    """One of the two people, with a home of their own.

    Attributes:
        name: the peer id.
        home: the folder for this side's saved room and state.
    """

    name: str
    home: Path

    @property
    def environment(self) -> dict[str, str]:
        """The user's environment with this side's home, and without the user's own room."""
        own = {f"PEER_RELAY_{name}" for name in _OWN}
        return {name: value for name, value in os.environ.items() if name not in own} | {
            "PEER_RELAY_HOME": str(self.home)
        }

    def run(self, *arguments: str, given: str = "") -> str:
        """Run a command of peer-relay and return what it printed.

        Args:
            arguments: the command and its arguments.
            given: its standard input.

        Raises:
            Surprise: it failed.
        """
        done = subprocess.run(  # noqa: S603 - the program is this one
            [*PROGRAM, *arguments],
            input=given,
            capture_output=True,
            encoding="utf-8",
            env=self.environment | {"PYTHONIOENCODING": "utf-8"},
            timeout=_COMMAND_LIMIT_S,
            check=False,
        )
        if done.returncode != 0:
            raise Surprise(f"`peer-relay {arguments[0]}` of {self.name} failed: {done.stderr.strip()}")
        return done.stdout

    def serve(self) -> Client:
        """Return an MCP client that starts this side's server."""
        command, *arguments = PROGRAM
        return Client(StdioServerParameters(command=command, args=[*arguments, "serve"], env=self.environment))


def run(remote: str | None, say: Say) -> None:
    """Show the whole exchange.

    Args:
        remote: the mailbox to use; None for a new one in the temporary folder.
        say: prints a text.

    Raises:
        Surprise: something failed, or the answer that arrived is not the one that was given.
    """
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="peer-relay-demo-", ignore_cleanup_errors=True) as folder:
        alice, bob = (Side(name, Path(folder, name)) for name in ("alice", "bob"))
        mailbox = remote or str(Path(folder, "mailbox.git"))
        branch = _pair(alice, bob, mailbox, say)
        seen = _let_them_talk(alice, bob, say)
        kept = _show_what_is_left(alice, None if remote else Path(mailbox), branch, say)
    wrong = [*differences("What alice read", seen, _said()), *differences("What the mailbox holds", kept, _said())]
    if wrong:
        raise Surprise(" ".join(wrong))
    if remote:
        say(f"\nThe mailbox keeps the branch {branch}; delete it when you like.")
    done = f"The answer that alice read, and its sources, are what bob gave ({time.monotonic() - started:.1f} s)."
    say("\n" + click.style(done, fg="green", bold=True))


def differences(what: str, seen: dict[str, Any], said: dict[str, Any]) -> list[str]:
    """Return a sentence for each thing that is not as it was said."""
    return [
        f"{what} is not what was said: {name} should be {value!r} and is {seen.get(name)!r}."
        for name, value in said.items()
        if seen.get(name) != value
    ]


def _said() -> dict[str, Any]:
    return {"question": QUESTION, "answer": ANSWER, "sources": list(SOURCES)}


# ---------------------------------------------------------------------------------------------------------------------
# The steps


def _pair(alice: Side, bob: Side, mailbox: str, say: Say) -> str:
    """Open a room and enter it; return its branch."""
    _head(say, "Pairing")
    _command(say, "alice", f"init {mailbox} --me alice --peer bob")
    printed = alice.run("init", mailbox, "--me", "alice", "--peer", "bob")
    line = next((line for line in printed.splitlines() if line.startswith("pr1-")), "")
    say(indented(f"{line[:24]}...  (the invite: one line, which alice sends to bob in private)"))
    _command(say, "bob", "join")
    say(indented(bob.run("join", given=line).splitlines()[0]))
    return branch_ref(RoomKeys.from_token(parse_invite(line).token).room_id).removeprefix("refs/heads/")


def _let_them_talk(alice: Side, bob: Side, say: Say) -> dict[str, Any]:
    """Run the exchange; whatever breaks it off comes out of the client's nested task groups as one sentence."""
    try:
        return asyncio.run(_exchange(alice, bob, say))
    except (Surprise, MCPError, OSError, ExceptionGroup) as error:
        cause: Exception = error
        while isinstance(cause, ExceptionGroup):
            cause = cause.exceptions[0]
        raise (cause if isinstance(cause, Surprise) else Surprise(f"The exchange broke off: {cause}.")) from None


async def _exchange(alice: Side, bob: Side, say: Say) -> dict[str, Any]:
    """Let both agents talk; return the answer as alice's got it."""
    _head(say, "Two agents, each with its own `peer-relay serve` over stdio")
    async with alice.serve() as her, bob.serve() as his:
        asked = await _call(her, "ask_peer", question=QUESTION, context_hint=CONTEXT_HINT)
        _sends(say, "alice", "ask_peer", asked["status"], QUESTION, f"context: {CONTEXT_HINT}")
        question = _only(await _call(his, "check_questions", wait_seconds=_WAIT_S), "questions")
        _gets(say, "bob", "check_questions", question["question"], f"context: {question['context_hint']}")
        reply = {"question_id": question["question_id"], "answer": ANSWER, "sources": list(SOURCES)}
        answered = await _call(his, "answer_question", **reply)
        _sends(say, "bob", "answer_question", answered["status"], ANSWER, *_each_source(SOURCES))
        answer = _only(await _call(her, "check_answers", wait_seconds=_WAIT_S), "answers")
        _gets(say, "alice", "check_answers", answer["answer"], *_each_source(answer["sources"]))
    return answer


def _show_what_is_left(alice: Side, repository: Path | None, branch: str, say: Say) -> dict[str, Any]:
    """Show the room by the command line and by git; return the exchange as a third process reads it."""
    _head(say, "What is left in the mailbox")
    _command(say, "alice", "log")
    say(indented(alice.run("log").rstrip("\n")))
    kept: dict[str, Any] = json.loads(alice.run("log", "--json").splitlines()[-1])
    git = shutil.which("git")
    if git is not None and repository is not None:
        _prompt(say, f"git log --reverse --name-status --format='%h %s' {branch}")
        say(indented(_git_log(git, repository, branch)))
    else:
        say("\n" + "\n".join(indented(line) for line in _files(kept)))
    return kept


async def _call(client: Client, tool: str, **arguments: object) -> dict[str, Any]:
    """Call a tool and return its structured result."""
    result = await client.call_tool(tool, arguments)
    if result.is_error or result.structured_content is None:
        raise Surprise(f"{tool} failed: {' '.join(getattr(block, 'text', '') for block in result.content)}")
    content: dict[str, Any] = result.structured_content
    return content


def _only(result: dict[str, Any], name: str) -> dict[str, Any]:
    if len(result[name]) != 1:
        raise Surprise(f"There should be one of the {name} and there are {len(result[name])}. {result['note']}")
    item: dict[str, Any] = result[name][0]
    return item


def _git_log(git: str, repository: Path, branch: str) -> str:
    """Return what plain git says about the branch, whatever the user has configured."""
    words = [git, f"--git-dir={repository}", "log", "--reverse", "--name-status", "--no-color", "--no-show-signature"]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    done = subprocess.run(  # noqa: S603 - git, with arguments of our own
        [*words, "--format=%h %s", branch],
        capture_output=True,
        encoding="utf-8",
        errors="replace",
        env=environment,
        timeout=_COMMAND_LIMIT_S,
        check=False,
    )
    return "\n".join(line for line in (done.stdout or done.stderr).splitlines() if line)


def _files(kept: dict[str, Any]) -> list[str]:
    """Return the files of the exchange with the subjects of their commits, without asking git."""
    question_id, asker = kept["question_id"], kept["asker"]
    paths = (path_for(Place(question_id, asker, kind)) for kind in Kind)
    subjects = (f"{asker} asks: {cut(kept['question'])}", f"{kept['answerer']} answers: {cut(kept['answer'])}")
    return [line for path, subject in zip(paths, subjects, strict=True) for line in (subject, f"    {path}")]


# ---------------------------------------------------------------------------------------------------------------------
# How it looks


def _head(say: Say, title: str) -> None:
    say("\n" + click.style(title, bold=True))


def _command(say: Say, who: str, words: str) -> None:
    _prompt(say, f"peer-relay {words}", who)


def _prompt(say: Say, words: str, who: str = "") -> None:
    say(f"\n  {click.style(f'{who}$', fg='cyan')} {words}")


def _sends(say: Say, who: str, tool: str, status: str, *texts: str) -> None:
    say(f"\n  {click.style(f'{who} > {tool}', fg='cyan')}  {status}")
    _texts(say, texts)


def _gets(say: Say, who: str, tool: str, *texts: str) -> None:
    say(f"\n  {click.style(f'{who} < {tool}', fg='cyan')}")
    _texts(say, texts)


def _texts(say: Say, texts: Sequence[str]) -> None:
    for text in texts:
        say(indented(text))


def _each_source(sources: Sequence[str]) -> list[str]:
    return [f"source: {source}" for source in sources]
