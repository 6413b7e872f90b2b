"""What `make audit` says: nothing known, something known, or that nobody answered."""

from __future__ import annotations

import contextlib
import json
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import TYPE_CHECKING, Any

import pytest

from tests.supply_chain import audit
from tests.supply_chain.pins import Pin

if TYPE_CHECKING:
    from collections.abc import Iterator

CLICK = Pin("click", "8.5.1", None, ("00",), ())
KNOWN = {"id": "PYSEC-2026-1", "aliases": ["CVE-2026-1"], "fix_versions": ["8.5.2"], "description": "Long."}
FOUND = "audit: vulnerabilities are known in what peer-relay needs:\n"
SKIPPED = {"name": "rich", "skip_reason": "Dependency not found"}


def report(*packages: dict[str, Any]) -> str:
    return json.dumps({"dependencies": packages, "fixes": []})


def click(*known: dict[str, Any]) -> dict[str, Any]:
    return {"name": "click", "version": "8.5.1", "vulns": list(known)}


@pytest.mark.parametrize(
    ("status", "output", "errors", "said", "expected"),
    [
        (0, report(click()), "No known vulnerabilities found", "audit: no vulnerability is known in 1 packages", 0),
        (
            0,
            report(click(), SKIPPED),
            "",
            "audit: no vulnerability is known in 1 packages; nothing could be learnt about rich",
            0,
        ),
        (
            1,
            report(click(KNOWN), SKIPPED),
            "Found 1 known vulnerability in 1 package",
            f"{FOUND}  click 8.5.1: PYSEC-2026-1 = CVE-2026-1, fixed in 8.5.2",
            1,
        ),
        (
            1,
            report(click({**KNOWN, "aliases": [], "fix_versions": []})),
            "",
            f"{FOUND}  click 8.5.1: PYSEC-2026-1, fixed in no version",
            1,
        ),
        (0, report(SKIPPED), "No known vulnerabilities found", f"{audit.SKIPPED}it knows none of the packages", 0),
        (1, "", "Traceback\nProxyError: no route", f"{audit.SKIPPED}ProxyError: no route", 0),
        (2, "", "usage: pip-audit\nerror: no such option", "audit: pip-audit failed: error: no such option", 1),
        (-9, "", "", "audit: pip-audit failed: ", 1),
    ],
)
def test_only_a_finding_and_a_broken_audit_fail(
    status: int, output: str, errors: str, said: str, expected: int
) -> None:
    assert audit.verdict(status, output, errors) == (said, expected)


class Service(BaseHTTPRequestHandler):
    """Answers like OSV that every version of what it is asked about is vulnerable."""

    def do_POST(self) -> None:
        package = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["package"]
        ranges = [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "9.9"}]}]
        known = {"id": "GHSA-2222-3333-4444", "details": "Bad.", "affected": [{"package": package, "ranges": ranges}]}
        answer = json.dumps({"vulns": [known]}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_: object) -> None:
        pass


@contextlib.contextmanager
def vulnerability_service() -> Iterator[str]:
    with HTTPServer(("127.0.0.1", 0), Service) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


def test_pip_audit_finds_what_a_service_knows_and_says_when_there_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_AUDIT_FORMAT", "columns")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with vulnerability_service() as address:
        found = audit._ask([CLICK], ("-s", "osv", "--osv-url", address), 30)
    assert found == (
        f"{FOUND}  click 8.5.1: GHSA-2222-3333-4444, fixed in 9.9",
        1,
    )
    said, status = audit.audit([CLICK], "-s", "osv", "--osv-url", address)
    assert (status, said.startswith(audit.SKIPPED), "Connection refused" in said, said.count("\n")) == (
        0,
        True,
        True,
        0,
    )


def test_a_service_that_never_answers_is_given_up() -> None:
    assert audit.audit([CLICK], limit_s=0.01) == (f"{audit.SKIPPED}it took longer than 0.01 s", 0)
