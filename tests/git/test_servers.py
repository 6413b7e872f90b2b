"""The servers that the tests run against are real ones, and refuse what they are said to refuse."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from typing import TYPE_CHECKING
from urllib.parse import quote

import pytest

from tests.servers import HttpServer, SshServer, create_repository, run_git

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def work(tmp_path: Path) -> Path:
    """Give a repository with one commit."""
    folder = tmp_path / "work"
    run_git("init", "--quiet", "--initial-branch=main", folder)
    identity = ("-c", "user.name=a", "-c", "user.email=a@example.invalid")
    run_git(*identity, "commit", "--quiet", "--allow-empty", "-m", "one", cwd=folder)
    return folder


def test_ssh_takes_a_push_and_shows_it(ssh_server: SshServer, work: Path, tmp_path: Path) -> None:
    url = ssh_server.url(create_repository(tmp_path / "mail box.git"))
    login = ("-c", f"core.sshCommand={ssh_server.ssh_command}")
    run_git(*login, "push", "--quiet", url, "main", cwd=work)
    assert run_git(*login, "ls-remote", url) == run_git("ls-remote", tmp_path / "mail box.git")
    with pytest.raises(AssertionError, match="Permission denied"):
        run_git("-c", f"core.sshCommand={ssh_server.ssh_command_without_key}", "ls-remote", url)
    with pytest.raises(AssertionError, match="Host key verification failed"):
        run_git("-c", f"core.sshCommand={ssh_server.ssh_command_unknown_host}", "ls-remote", url)


@pytest.mark.parametrize("tls", [False, True])
def test_http_takes_a_push_with_the_login_only(http_server: HttpServer, work: Path, *, tls: bool) -> None:
    url = http_server.url(http_server.create(f"login-{tls}.git"), tls=tls)
    authority = ("-c", f"http.sslCAInfo={http_server.ca_file}", "-c", "core.askPass=true")
    with_login = url.replace("//", f"//{http_server.username}:{quote(http_server.password, safe='')}@")
    run_git(*authority, "push", "--quiet", with_login, "main", cwd=work)
    assert run_git(*authority, "ls-remote", with_login).endswith(b"\trefs/heads/main\n")
    with pytest.raises(AssertionError, match="Authentication failed"):
        run_git(*authority, "ls-remote", url)


def test_http_without_login_can_be_public_or_read_only(http_server: HttpServer, work: Path) -> None:
    path = http_server.create("open.git")
    run_git("push", "--quiet", http_server.url(path, access="public"), "main", cwd=work)
    assert run_git("ls-remote", http_server.url(path, access="readonly")).endswith(b"\trefs/heads/main\n")
    with pytest.raises(AssertionError, match="403"):
        run_git("push", "--quiet", http_server.url(path, access="readonly"), "main:other", cwd=work)


def test_a_server_ends_when_the_process_that_started_it_is_killed(tmp_path: Path) -> None:
    script = (
        "import sys, pathlib, os\n"
        "from tests.servers import _start_sshd\n"
        "server = _start_sshd(pathlib.Path(sys.argv[1]), [])\n"
        "print(server.port, flush=True)\n"
        "os.kill(os.getpid(), 9)\n"
    )
    done = subprocess.run([sys.executable, "-c", script, tmp_path], capture_output=True, timeout=60, check=False)
    port = int(done.stdout)
    end = time.monotonic() + 10
    while time.monotonic() < end:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) != 0:
                return
        time.sleep(0.01)
    pytest.fail("sshd is still there")
