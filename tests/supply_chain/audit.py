"""`make audit`: whether a vulnerability is known in what peer-relay needs at run time, on any system.

pip-audit asks PyPI about each package that `requirements/runtime.txt` pins. A finding fails. Where PyPI does not
answer, one line says so and it is no failure: without a network the rest can still be checked.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from tests.supply_chain.pins import RUNTIME, Pin, pins

SKIPPED = "audit: skipped, the vulnerability service gave no answer: "
LONGEST_S = 60
"""How long PyPI may take for all of it; it takes a few seconds."""

_OPTIONS = ("--no-deps", "--disable-pip", "--format", "json", "--progress-spinner", "off", "--timeout", "10")


def audit(pinned: list[Pin], *options: str, limit_s: float = LONGEST_S) -> tuple[str, int]:
    """Ask about packages, whatever system they are for.

    The first one is asked about alone: a network that does not let PyPI answer can be slow to say so 40 times.

    Args:
        pinned: The packages.
        options: More options for pip-audit, such as another service.
        limit_s: How long each of the two may take, in seconds.

    Returns:
        What to print, and the exit status: 0 where nothing is known against them, or where nobody answered.
    """
    said, status = _ask(pinned[:1], options, limit_s)
    return (said, status) if said.startswith(SKIPPED) else _ask(pinned, options, limit_s)


def _ask(pinned: list[Pin], options: tuple[str, ...], limit_s: float) -> tuple[str, int]:
    with tempfile.TemporaryDirectory() as folder:
        wanted = Path(folder, "requirements.txt")
        wanted.write_text("".join(f"{each.name}=={each.version}\n" for each in pinned), encoding="utf-8")
        command = [sys.executable, "-m", "pip_audit", "--requirement", str(wanted), *_OPTIONS, *options]
        try:
            done = subprocess.run(
                command, capture_output=True, text=True, timeout=limit_s, check=False, cwd=folder, env=_environment()
            )
        except subprocess.TimeoutExpired:
            return f"{SKIPPED}it took longer than {limit_s:g} s", 0
    return verdict(done.returncode, done.stdout, done.stderr)


def verdict(status: int, output: str, errors: str) -> tuple[str, int]:
    """Return what pip-audit's exit status and its two outputs say, as a text to print and an exit status.

    Where its service knows none of the packages, pip-audit says that there are no vulnerabilities. Nobody was asked.
    """
    last = errors.strip().rpartition("\n")[2]
    if status not in {0, 1}:
        return f"audit: pip-audit failed: {last}", 1
    try:
        packages = json.loads(output)["dependencies"]
    except ValueError:
        return SKIPPED + last, 0
    answered = [each for each in packages if "skip_reason" not in each]
    findings = [_finding(each, known) for each in answered for known in each["vulns"]]
    if findings:
        return "\n".join(["audit: vulnerabilities are known in what peer-relay needs:", *findings]), 1
    if not answered:
        return f"{SKIPPED}it knows none of the packages", 0
    missing = [each["name"] for each in packages if "skip_reason" in each]
    but = f"; nothing could be learnt about {', '.join(missing)}" if missing else ""
    return f"audit: no vulnerability is known in {len(answered)} packages{but}", 0


def _finding(package: dict[str, Any], known: dict[str, Any]) -> str:
    names = " = ".join([known["id"], *known["aliases"]])
    fixed = ", ".join(known["fix_versions"]) or "no version"
    return f"  {package['name']} {package['version']}: {names}, fixed in {fixed}"


def _environment() -> dict[str, str]:
    """Return the environment without what would have pip-audit ask another service, or leave something out."""
    return {name: value for name, value in os.environ.items() if not name.startswith("PIP_AUDIT_")}


if __name__ == "__main__":
    said, exit_status = audit(pins(RUNTIME))
    print(said)
    sys.exit(exit_status)
