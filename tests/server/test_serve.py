"""A server process from outside: what it answers, what it leaves alone, and how it ends."""

from __future__ import annotations

import json
import signal
import sys
from typing import TYPE_CHECKING, Any

import pytest
from mcp import Client
from mcp.client.stdio import StdioServerParameters

from peer_relay import __version__
from peer_relay.server.prompts import CHECK
from tests.claims import claim
from tests.server.fake_relay import Script, log_of, numbered, wait_for_log
from tests.server.session import INITIALIZE, INITIALIZED, ROOT, Session, call, notification, request
from tests.server.support import CRASHED

if TYPE_CHECKING:
    from pathlib import Path

SOON_S = 1.0
"""An end takes less than a tenth of this; the rest is for a busy machine."""


def start(folder: Path, forks: Path | None = None, **script: Any) -> Session:
    Script(**script).save(folder)
    return Session(folder, forks)


def shown_in(result: dict[str, Any]) -> list[str]:
    return [answer["question_id"] for answer in result["structuredContent"]["answers"]]


# -- what was read (I7) ------------------------------------------------------------------------------------------------


@claim("I7")
def test_a_request_after_the_result_marks_exactly_its_answers_as_read(tmp_path: Path, forks: Path | None) -> None:
    with start(tmp_path, forks, answers=2).initialize() as session:
        assert shown_in(session.ask(call(1, "check_answers"))) == [numbered(1), numbered(2)]
        assert "read" not in log_of(tmp_path)
        assert shown_in(session.ask(call(2, "check_answers"))) == []
    assert (tmp_path / "read").read_text().split() == [numbered(1), numbered(2)]


@claim("I7")
def test_answers_are_marked_as_read_before_the_next_request_is_handled(tmp_path: Path, forks: Path | None) -> None:
    with start(tmp_path, forks, answers=1).initialize() as session:
        session.ask(call(1, "check_answers"))
        session.ask(call(2, "check_questions"))
    calls = [line for line in log_of(tmp_path) if line in {"answers", "shown", "read", "questions"}]
    assert calls == ["answers", "shown", "read", "questions"]


@claim("I7")
@pytest.mark.parametrize("together", [True, False])
def test_a_request_from_before_the_result_confirms_nothing(tmp_path: Path, forks: Path | None, together: bool) -> None:
    with start(tmp_path, forks, answers=1, gate=True).initialize() as session:
        if together:
            session.send(call(1, "check_answers"), request(2, "ping"))
        else:
            session.send(call(1, "check_answers"))
            session.send(request(2, "ping"))
        session.receive(2)
        (tmp_path / "go").touch()
        assert shown_in(session.receive(1)["result"]) == [numbered(1)]
        session.end_input()
        assert session.wait()[0] == 0
    assert "read" not in log_of(tmp_path)


@claim("I7")
def test_a_call_that_was_cancelled_after_its_result_went_out_confirms_nothing(
    tmp_path: Path, forks: Path | None
) -> None:
    with start(tmp_path, forks, answers=1).initialize() as session:
        assert shown_in(session.ask(call(1, "check_answers"))) == [numbered(1)]
        session.send(notification("notifications/cancelled", requestId=1))
        session.ask(request(2, "ping"))
        assert shown_in(session.ask(call(3, "check_answers"))) == [numbered(1)]
    assert log_of(tmp_path).count("read") == 0


@claim("I7")
def test_a_notification_confirms_nothing(tmp_path: Path, forks: Path | None) -> None:
    with start(tmp_path, forks, answers=1).initialize() as session:
        session.ask(call(1, "check_answers"))
        session.send(notification("notifications/roots/list_changed"))
        session.end_input()
        assert session.wait()[0] == 0
    assert "read" not in log_of(tmp_path)


@claim("I7")
def test_an_answer_from_before_the_end_of_input_is_shown_again_and_the_note_says_so(
    tmp_path: Path, forks: Path | None
) -> None:
    with start(tmp_path, forks, answers=1).initialize() as session:
        first = session.ask(call(1, "check_answers"))
        session.end_input()
        session.wait()
    with Session(tmp_path, forks).initialize() as session:
        second = session.ask(call(1, "check_answers"))
    assert shown_in(first) == shown_in(second) == [numbered(1)]
    assert "shown to you before" not in first["structuredContent"]["note"]
    assert "Of these, 1 may have been shown to you before." in second["structuredContent"]["note"]


def test_a_cancelled_wait_ends_and_the_session_goes_on(tmp_path: Path, forks: Path | None) -> None:
    waiting = request(
        1, "tools/call", name="check_answers", arguments={"wait_seconds": 110}, _meta={"progressToken": 7}
    )
    with start(tmp_path, forks).initialize() as session:
        session.send(waiting)
        assert session.receive_notification("notifications/progress")["params"]["progressToken"] == 7
        session.send(notification("notifications/cancelled", requestId=1))
        assert session.ask(request(2, "ping")) == {}
        session.end_input()
        assert session.wait()[0] == 0
    assert [json.loads(line).get("id") for line in session.lines] == ["init", None, 2]


# -- the wire ----------------------------------------------------------------------------------------------------------


@claim("stdout-is-json-rpc")
def test_fifty_calls_at_once_on_a_relay_that_prints_leave_only_json_rpc_on_standard_output(tmp_path: Path) -> None:
    tools = ["check_answers", "check_questions", "ask_peer", "answer_question", "no_such_tool"]
    arguments = [{}, {}, {"question": "Why?"}, {"question_id": numbered(1), "answer": "So."}, {}]
    with start(tmp_path, answers=3, questions=3, prints=True).initialize() as session:
        session.send(*(call(i, tools[i % 5], **arguments[i % 5]) for i in range(50)))
        results = [session.receive(i)["result"] for i in range(50)]
        session.end_input()
        assert session.wait()[0] == 0
    messages = [json.loads(line) for line in session.lines]
    assert {message["jsonrpc"] for message in messages} == {"2.0"}
    assert [result.get("isError", False) for result in results] == [i % 5 == 4 for i in range(50)]
    assert session.stderr.count("not JSON-RPC") == 40


NESTED = b'{"a":' * 900 + b"1" + b"}" * 900
GARBAGE = [
    b"",
    b'{"jsonrpc": ',
    b"[]",
    b'"text"',
    b'{"id": [1], "method": "x"}',
    b'{"result": 1}',
    b"[" * 100_000,
    b"\0\0\0",
    b"\xff\xfe\xff",
    b'{"jsonrpc":"2.0","id":1e999,"method":"ping"}',
    b'{"jsonrpc":"2.0","id":NaN,"method":"ping"}',
    b'{"jsonrpc":"2.0","id":' + b"9" * 5000 + b',"method":"ping"}',
    b'[{"jsonrpc":"2.0","id":1,"method":"ping"},{"jsonrpc":"2.0","id":2,"method":"ping"}]',
    b'{"jsonrpc":"2.0","method":"tools/call","params":{"name":"ask_peer","arguments":{"question":"Without an id?"}}}',
    b'{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":{"a":1}}}',
    b'{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":"never sent"}}',
    b'{"jsonrpc":"2.0","id":"never asked","result":{}}',
    b'{"jsonrpc":"2.0","method":"notifications/initialized","params":' + NESTED + b"}",
    b"x" * (5 << 20),
]
ODD = {
    10: b'{"jsonrpc":"2.0","id":10,"method":"ping","params":' + NESTED + b"}",
    11: b'{"jsonrpc":"2.0","id":11,"method":"tools/call","params":{"name":"check_answers","arguments":'
    + NESTED
    + b"}}",
    12: b'{"jsonrpc":"2.0","id":12,"method":"notifications/initialized"}',
    13: b'{"jsonrpc":"2.0","id":13,"method":"\\ud800"}',
    14: b'{"jsonrpc":"2.0","id":14,"method":"tools/call","params":[1]}',
    15: b'{"jsonrpc":"2.0","id":15,"method":"tools/call","params":{"name":"check_answers","arguments":'
    b'{"wait_seconds":' + b"9" * 400 + b"}}}",
    9**999: b'{"jsonrpc":"2.0","id":' + str(9**999).encode() + b',"method":"ping"}',
    "\ud800": b'{"jsonrpc":"2.0","id":"\\ud800","method":"ping"}',
}


@claim("stdout-is-json-rpc")
def test_lines_that_are_no_messages_are_dropped_and_the_session_goes_on(tmp_path: Path, forks: Path | None) -> None:
    with start(tmp_path, forks).initialize() as session:
        session.write(b"".join(line + b"\n" for line in GARBAGE))
        assert session.ask(request(1, "ping")) == {}
        assert len(session.lines) == 2
    assert log_of(tmp_path).count("ask Without an id? None") == 0


@claim("stdout-is-json-rpc")
def test_odd_requests_are_each_answered_once_and_so_are_two_with_one_id(tmp_path: Path, forks: Path | None) -> None:
    with start(tmp_path, forks).initialize() as session:
        session.write(b"".join(line + b"\n" for line in ODD.values()))
        session.send(request(20, "ping"), request(20, "ping"))
        assert session.ask(request(21, "ping")) == {}
        for request_id in (*ODD, 20, 20):
            session.receive(request_id)
        assert len(session.lines) == len(ODD) + 4


def test_a_request_that_is_not_valid_is_answered_with_an_error(tmp_path: Path, forks: Path | None) -> None:
    with start(tmp_path, forks).initialize() as session:
        session.write('{"id": 7, "method": "ping"}\n')
        assert session.receive(7)["error"] == {
            "code": -32600,
            "message": "This is not a valid JSON-RPC 2.0 request.",
        }


def test_text_that_is_no_unicode_reaches_the_relay_as_it_is_and_is_not_repaired(
    tmp_path: Path, forks: Path | None
) -> None:
    with start(tmp_path, forks).initialize() as session:
        session.write(json.dumps(call(1, "ask_peer", question="Why \ud800?")) + "\n")
        session.receive(1)
    assert "ask Why \\ud800? None" in log_of(tmp_path)


def test_requests_directly_before_the_end_of_input_are_answered(tmp_path: Path, forks: Path | None) -> None:
    with start(tmp_path, forks) as session:
        session.send(INITIALIZE, INITIALIZED, request(1, "tools/list"), request(2, "prompts/get", name="check"))
        session.end_input()
        assert session.wait()[0] == 0
    results = {message["id"]: message["result"] for message in map(json.loads, session.lines)}
    assert results["init"]["serverInfo"] == {"name": "peer-relay", "title": "peer-relay", "version": __version__}
    assert results["init"]["capabilities"] == {"prompts": {"listChanged": False}, "tools": {"listChanged": False}}
    assert len(results[1]["tools"]) == 4
    assert results[2]["messages"] == [{"role": "user", "content": {"type": "text", "text": CHECK.text}}]


@pytest.mark.anyio
@pytest.mark.parametrize("mode", ["auto", "legacy"])
async def test_the_official_client_finds_the_tools_in_both_eras(tmp_path: Path, mode: Any) -> None:
    Script(answers=1, questions=1).save(tmp_path)
    script = ["-m", "tests.server.serve_fake", str(tmp_path)]
    server = StdioServerParameters(command=sys.executable, args=script, cwd=ROOT)
    async with Client(server, mode=mode) as client:
        assert client.protocol_version == ("2026-07-28" if mode == "auto" else "2025-11-25")
        assert [tool.name for tool in (await client.list_tools()).tools] == [
            "ask_peer",
            "check_questions",
            "answer_question",
            "check_answers",
        ]
        shown = await client.call_tool("check_answers", {})
        again = await client.call_tool("check_answers", {})
    assert shown.structured_content is not None
    assert again.structured_content == {"answers": [], "more": 0, "note": "There is no new answer."}
    assert [each["question_id"] for each in shown.structured_content["answers"]] == [numbered(1)]


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


# -- the beginning -----------------------------------------------------------------------------------------------------


@claim("no-network-before-initialize")
def test_nothing_is_opened_before_initialize_is_answered(tmp_path: Path, forks: Path | None) -> None:
    with start(tmp_path, forks) as session:
        assert session.ask(request(1, "ping")) == {}
        session.send(call(2, "check_questions"))
        assert session.receive(2)["error"]["message"] == "Invalid request parameters"
        assert log_of(tmp_path) == []
        session.initialize()
        assert wait_for_log(tmp_path, "pending")[0] == "open"


def test_a_missing_setting_is_said_by_each_tool_and_once_on_standard_error(tmp_path: Path) -> None:
    with start(tmp_path, setting_is_missing=True).initialize() as session:
        results = [session.ask(call(i, "check_answers")) for i in (1, 2)]
        tools = session.ask(request(3, "tools/list"))["tools"]
        session.end_input()
        assert session.wait()[0] == 0
    assert [result["isError"] for result in results] == [True, True]
    assert {result["content"][0]["text"] for result in results} == {"PEER_RELAY_REMOTE is not set. Set it."}
    assert len(tools) == 4
    assert session.stderr == "peer-relay: PEER_RELAY_REMOTE is not set. Set it.\n"


def test_neither_a_setting_nor_what_was_read_changes_the_tools(tmp_path: Path) -> None:
    Script(answers=1, questions=1).save(tmp_path)
    listed: list[Any] = []
    with start(tmp_path, setting_is_missing=True).initialize() as session:
        listed.append(session.ask(request(1, "tools/list")))
    with start(tmp_path).initialize() as session:
        listed.append(session.ask(request(1, "tools/list")))
        for number, tool in ((2, "check_questions"), (3, "check_answers")):
            assert not session.ask(call(number, tool)).get("isError")
        listed.append(session.ask(request(4, "tools/list")))
    assert listed[0] == listed[1] == listed[2]


@claim("I10")
def test_the_text_of_an_unforeseen_exception_is_shown_to_nobody(tmp_path: Path) -> None:
    with start(tmp_path, crash=True).initialize() as session:
        result = session.ask(call(1, "check_questions"))
        session.end_input()
        session.wait()
    assert result["isError"]
    assert result["content"][0]["text"] == CRASHED
    assert session.stderr.startswith("peer-relay: check_questions failed: ValueError in fake_relay.py, line ")
    assert "hunter2" not in session.stderr + "".join(session.lines)


@claim("delivered-or-queued")
def test_what_is_queued_goes_out_while_the_server_runs(tmp_path: Path, forks: Path | None) -> None:
    with start(tmp_path, forks, delivered=False, failures=1).initialize() as session:
        wait_for_log(tmp_path, "pending")
        assert session.ask(call(1, "ask_peer", question="Why?"))["structuredContent"]["status"] == "queued"
        wait_for_log(tmp_path, "deliver", count=2)


# -- the end -----------------------------------------------------------------------------------------------------------

SIGNALS = [signal.SIGINT, signal.SIGTERM, *([signal.SIGHUP] if hasattr(signal, "SIGHUP") else [])]


@pytest.mark.parametrize("busy", [False, True])
@pytest.mark.parametrize("number", [*SIGNALS, None])
def test_a_signal_and_the_end_of_input_end_the_process_at_once_and_in_good_order(
    tmp_path: Path, number: signal.Signals | None, busy: bool, request: pytest.FixtureRequest
) -> None:
    if busy:
        request.getfixturevalue("unmeasured_processes")
    with start(tmp_path, gate=True).initialize() as session:
        wait_for_log(tmp_path, "pending")
        if busy:
            session.send(call(1, "check_answers"))
            wait_for_log(tmp_path, "answers")
        if number is None:
            session.end_input()
        else:
            session.signal(number)
        status, took = session.wait()
    print(f"{number} {busy=} {took * 1000:.0f} ms")
    assert status == 0
    assert took < SOON_S
    assert session.stderr == ""
    assert log_of(tmp_path).count("close") == 1
    assert all(json.loads(line)["jsonrpc"] == "2.0" for line in session.lines)
