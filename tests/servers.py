"""Real git servers on this machine, as pytest fixtures: sshd, and nginx with git's own http backend.

1. Each server belongs to one test process: its own free port, its own folder, its own keys. Nothing of the user's
   configuration is read or changed.
2. A server ends with the process that started it, however that process ends: it is run by a small shell that waits
   for the end of a pipe whose other end only the test process holds.
3. A program that is missing skips the test, or fails it if `PEER_RELAY_REQUIRE_SERVERS=1`, so that a build server
   cannot pass by testing nothing.
"""

from __future__ import annotations

import base64
import getpass
import hashlib
import os
import shlex
import shutil
import socket
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn, TypeVar
from urllib.parse import quote

import pytest
import trustme

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

Server = TypeVar("Server")

START_LIMIT_S = 20.0
GIT_ENVIRONMENT = {"GIT_CONFIG_NOSYSTEM": "1", "GIT_CONFIG_GLOBAL": os.devnull}
# The shell reads its standard input to the end, which comes when the test process is gone, and then ends its whole
# process group, because fcgiwrap leaves its children behind.
_UNTIL_PARENT_ENDS = '"$@" & cat >/dev/null; trap "" TERM; kill 0; wait'

_READ_ONLY_SCRIPT = """#!/bin/sh
case "$SSH_ORIGINAL_COMMAND" in
    git-upload-pack*) exec sh -c "$SSH_ORIGINAL_COMMAND" ;;
esac
echo "ERROR: The key you are authenticating with has been marked as read only." >&2
exit 1
"""


def run_git(*arguments: str | Path, cwd: Path | None = None, data: bytes | None = None) -> bytes:
    """Run git without anybody's configuration and return what it printed.

    Raises:
        AssertionError: git failed; the message holds what it wrote to its standard error.
    """
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    done = subprocess.run(
        [_program("git"), *map(str, arguments)],
        cwd=cwd,
        input=data,
        capture_output=True,
        env=environment | GIT_ENVIRONMENT,
        timeout=60,
        check=False,
    )
    if done.returncode != 0:
        raise AssertionError(f"git {arguments[0]} failed: {done.stderr.decode(errors='replace')}")
    return done.stdout


def create_repository(path: Path) -> Path:
    """Create an empty bare repository and return its path."""
    run_git("init", "--quiet", "--bare", "--initial-branch=main", path)
    return path


@dataclass(frozen=True)
class SshServer:
    """A running sshd that lets the user who runs the tests in, by key.

    Attributes:
        root: a folder for repositories; any other absolute path works as well.
        port: the port on 127.0.0.1.
        ssh_command: what to use as `GIT_SSH_COMMAND`; it presents the right key and accepts only the right host key.
        ssh_command_read_only: the same with a key that may only fetch, in the words of a well-known forge.
        ssh_command_without_key: the same with a key that the server does not know.
        ssh_command_unknown_host: the same with the right key and no known host key.
    """

    root: Path
    port: int
    ssh_command: str
    ssh_command_read_only: str
    ssh_command_without_key: str
    ssh_command_unknown_host: str

    def url(self, path: Path | str) -> str:
        """Return the ssh:// address of an absolute path."""
        return f"ssh://{getpass.getuser()}@127.0.0.1:{self.port}{quote(str(path))}"

    def create(self, name: str) -> Path:
        """Create an empty bare repository in `root` and return its path."""
        return create_repository(self.root / name)


@dataclass(frozen=True)
class HttpServer:
    """A running nginx with git's http backend, in plain HTTP and with TLS.

    Attributes:
        root: the folder of the repositories (`GIT_PROJECT_ROOT`); addresses are relative to it.
        port: the port of plain HTTP on 127.0.0.1.
        tls_port: the port with TLS, with a certificate for 127.0.0.1 and localhost by a private authority.
        username: the one user who may log in.
        password: that user's password.
        ca_file: the private authority's certificate.
    """

    root: Path
    port: int
    tls_port: int
    username: str
    password: str
    ca_file: Path

    def url(self, path: Path | str, *, tls: bool = False, access: str = "private") -> str:
        """Return the address of a repository.

        Args:
            path: the repository, relative to `root` or an absolute path below it.
            tls: use TLS.
            access: `private` wants the login, `public` wants none, `readonly` wants none and refuses every push.
        """
        relative = self.root.joinpath(path).relative_to(self.root)
        scheme, port = ("https", self.tls_port) if tls else ("http", self.port)
        return f"{scheme}://127.0.0.1:{port}/{access}/{quote(relative.as_posix())}"

    def create(self, name: str) -> Path:
        """Create an empty bare repository in `root` and return its path."""
        return create_repository(self.root / name)


@pytest.fixture(scope="session")
def ssh_server() -> Iterator[SshServer]:
    """Give a running sshd."""
    yield from _serve(_start_sshd)


@pytest.fixture(scope="session")
def http_server() -> Iterator[HttpServer]:
    """Give a running nginx with git's http backend."""
    yield from _serve(_start_nginx)


def _serve(start: Callable[[Path, list[subprocess.Popen[bytes]]], Server]) -> Iterator[Server]:
    # A socket's path may have 107 bytes at most, so the folder is a short one and not below pytest's own.
    folder = Path(tempfile.mkdtemp(prefix="relay-")).resolve()
    started: list[subprocess.Popen[bytes]] = []
    try:
        yield start(folder, started)
    finally:
        for process in reversed(started):
            _end(process)
        shutil.rmtree(folder, ignore_errors=True)


# ---------------------------------------------------------------------------------------------------------------------
# Processes


def _missing(reason: str) -> NoReturn:
    if os.environ.get("PEER_RELAY_REQUIRE_SERVERS") == "1":
        pytest.fail(reason)
    pytest.skip(reason)


def _program(name: str, *folders: str) -> str:
    found = shutil.which(name, path=os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/sbin", *folders]))
    return found or _missing(f"{name} is not installed")


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


def _run_until_end(command: Sequence[str]) -> subprocess.Popen[bytes]:
    """Start a server that ends at the latest when this process does."""
    return subprocess.Popen(
        ["/bin/sh", "-c", _UNTIL_PARENT_ENDS, "sh", *command],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,  # makes it a process group of its own
    )


def _end(process: subprocess.Popen[bytes]) -> None:
    assert process.stdin is not None
    process.stdin.close()
    try:
        process.wait(START_LIMIT_S)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, 9)
        process.wait(START_LIMIT_S)


def _wait_for(condition: Callable[[], bool], process: subprocess.Popen[bytes]) -> bool:
    """Wait for a server to be ready; False if it ended before."""
    end = time.monotonic() + START_LIMIT_S
    while time.monotonic() < end:
        if condition():
            return True
        if process.poll() is not None:
            return False
        time.sleep(0.01)
    return False


def _start_listening(
    write_config: Callable[[], Sequence[str]], ready: Path, log: Path, started: list[subprocess.Popen[bytes]]
) -> None:
    """Start a server on ports that `write_config` chooses anew each time, because another process may be faster."""
    for _ in range(5):
        process = _run_until_end(write_config())
        # Both servers write the file with their process id after they have bound their ports.
        if _wait_for(ready.exists, process):
            started.append(process)
            return
        _end(process)
    pytest.fail(f"the server does not start: {log.read_text(errors='replace') if log.exists() else 'no log'}")


# ---------------------------------------------------------------------------------------------------------------------
# sshd


def _start_sshd(folder: Path, started: list[subprocess.Popen[bytes]]) -> SshServer:
    sshd, keygen, ssh = _program("sshd"), _program("ssh-keygen"), _program("ssh")
    for name in ("host", "login", "reader", "stranger"):
        subprocess.run([keygen, "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", folder / name], check=True, timeout=60)
    _authorize(folder)
    if os.getuid() == 0:
        Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
    ports: list[int] = []

    def write_config() -> Sequence[str]:
        ports.append(_free_port())
        (folder / "sshd.conf").write_text(_sshd_config(folder, ports[-1]))
        return [sshd, "-D", "-f", str(folder / "sshd.conf"), "-E", str(folder / "sshd.log")]

    _start_listening(write_config, folder / "sshd.pid", folder / "sshd.log", started)
    (folder / "known").write_text(f"[127.0.0.1]:{ports[-1]} {(folder / 'host.pub').read_text()}")
    (folder / "known_nobody").touch()
    (folder / "repositories").mkdir()
    return SshServer(
        root=folder / "repositories",
        port=ports[-1],
        ssh_command=_ssh_command(ssh, folder / "login", folder / "known"),
        ssh_command_read_only=_ssh_command(ssh, folder / "reader", folder / "known"),
        ssh_command_without_key=_ssh_command(ssh, folder / "stranger", folder / "known"),
        ssh_command_unknown_host=_ssh_command(ssh, folder / "login", folder / "known_nobody"),
    )


def _authorize(folder: Path) -> None:
    script = folder / "read-only"
    script.write_text(_READ_ONLY_SCRIPT)
    script.chmod(0o755)
    reader = f'restrict,command="{script}" {(folder / "reader.pub").read_text()}'
    (folder / "authorized_keys").write_text((folder / "login.pub").read_text() + reader)


def _ssh_command(ssh: str, key: Path, known_hosts: Path) -> str:
    options = ["IdentitiesOnly=yes", "IdentityAgent=none", "StrictHostKeyChecking=yes"]
    options += ["GlobalKnownHostsFile=/dev/null", f"UserKnownHostsFile={known_hosts}"]
    words = [ssh, "-F", "/dev/null", "-i", str(key)]
    return shlex.join([*words, *(word for option in options for word in ("-o", option))])


def _sshd_config(folder: Path, port: int) -> str:
    # bash reads the account's .bashrc for a host's command at level 0 only, and some take longer than all of ssh.
    environment = " ".join(f"{name}={value}" for name, value in {**GIT_ENVIRONMENT, "SHLVL": "1"}.items())
    return f"""
Port {port}
ListenAddress 127.0.0.1
HostKey {folder}/host
PidFile {folder}/sshd.pid
AuthorizedKeysFile {folder}/authorized_keys
AuthenticationMethods publickey
PermitRootLogin prohibit-password
StrictModes no
UsePAM no
PrintMotd no
UseDNS no
MaxStartups 100
MaxSessions 100
AcceptEnv GIT_PROTOCOL
SetEnv {environment}
"""


# ---------------------------------------------------------------------------------------------------------------------
# nginx


def _start_nginx(folder: Path, started: list[subprocess.Popen[bytes]]) -> HttpServer:
    nginx, fcgiwrap = _program("nginx"), _program("fcgiwrap")
    backend = _program("git-http-backend", "/usr/lib/git-core", "/usr/libexec/git-core")
    root, username, password = folder / "repositories", "relay-user", "pass/word with:specials"
    root.mkdir()
    _write_certificates(folder)
    digest = base64.b64encode(hashlib.sha1(password.encode(), usedforsecurity=False).digest()).decode()
    (folder / "passwords").write_text(f"{username}:{{SHA}}{digest}\n")
    started.append(_run_until_end([fcgiwrap, "-c", "8", "-s", f"unix:{folder}/fcgi"]))
    assert _wait_for((folder / "fcgi").is_socket, started[-1]), "fcgiwrap does not start"
    ports: list[tuple[int, int]] = []

    def write_config() -> Sequence[str]:
        ports.append((_free_port(), _free_port()))
        (folder / "nginx.conf").write_text(_nginx_config(folder, backend, *ports[-1]))
        return [nginx, "-p", str(folder), "-e", str(folder / "error.log"), "-c", str(folder / "nginx.conf")]

    _start_listening(write_config, folder / "nginx.pid", folder / "error.log", started)
    return HttpServer(
        root=root,
        port=ports[-1][0],
        tls_port=ports[-1][1],
        username=username,
        password=password,
        ca_file=folder / "ca.pem",
    )


def _write_certificates(folder: Path) -> None:
    authority = trustme.CA()
    certificate = authority.issue_cert("127.0.0.1", "localhost")
    authority.cert_pem.write_to_path(folder / "ca.pem")
    certificate.private_key_pem.write_to_path(folder / "tls.key")
    for blob in certificate.cert_chain_pems:
        blob.write_to_path(folder / "tls.pem", append=True)


def _nginx_config(folder: Path, backend: str, port: int, tls_port: int) -> str:
    user = "user root;" if os.getuid() == 0 else ""
    temporary = "\n".join(
        f"    {kind}_temp_path {folder}/temporary-{kind};"
        for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    login = f'auth_basic "git"; auth_basic_user_file {folder}/passwords;'
    return f"""
{user}
daemon off;
worker_processes 1;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
events {{ worker_connections 256; }}
http {{
    access_log {folder}/access.log;
    client_max_body_size 0;
{temporary}
    server {{
        listen 127.0.0.1:{port};
        listen 127.0.0.1:{tls_port} ssl;
        ssl_certificate {folder}/tls.pem;
        ssl_certificate_key {folder}/tls.key;
{_nginx_location(folder, backend, "private", login, pushable=True)}
{_nginx_location(folder, backend, "public", "", pushable=True)}
{_nginx_location(folder, backend, "readonly", "", pushable=False)}
    }}
}}
"""


def _nginx_location(folder: Path, backend: str, access: str, login: str, *, pushable: bool) -> str:
    variables = {
        "SCRIPT_FILENAME": backend,
        "GIT_PROJECT_ROOT": f"{folder}/repositories",
        "PATH_INFO": "$1",
        "GIT_HTTP_EXPORT_ALL": "1",
        "REMOTE_USER": "$remote_user",
        "REQUEST_METHOD": "$request_method",
        "QUERY_STRING": "$query_string",
        "CONTENT_TYPE": "$content_type",
        "CONTENT_LENGTH": "$content_length",
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": "http.receivepack",
        "GIT_CONFIG_VALUE_0": str(pushable).lower(),
        **GIT_ENVIRONMENT,
    }
    parameters = "\n".join(f'            fastcgi_param {name} "{value}";' for name, value in variables.items())
    return f"""        location ~ ^/{access}(/.*)$ {{
            {login}
{parameters}
            fastcgi_read_timeout 60s;
            fastcgi_pass unix:{folder}/fcgi;
        }}"""
