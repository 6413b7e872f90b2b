"""Where an address leads by the user's configuration of git, compared with what git itself says."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

import pytest

from peer_relay import app
from peer_relay.access import check_access
from peer_relay.config import RelayConfig
from peer_relay.errors import InvalidRemote
from peer_relay.git.rewriting import leads_to, rewrites
from tests.claims import claim
from tests.servers import create_repository

if TYPE_CHECKING:
    from pathlib import Path

CONFIG = """\
[include]
	path = more
[url "git@forge.example:"]
	insteadOf = https://forge.example/
	pushInsteadOf = https://push.example/
[url "https://me:hunter2@forge.example/team/"]
	insteadOf = https://forge.example/team/
[url "ext::sh -c "]
	insteadOf = https://evil.example/
"""
ADDRESSES = (
    "https://forge.example/a/b.git",
    "https://forge.example/team/b.git",
    "https://push.example/a",
    "https://other.example/a",
    "ssh://me@box.example/a",
    "file:///srv/a",
)


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    """Give the environment of somebody whose git leads addresses elsewhere, by a file, one more, and a variable."""
    (tmp_path / ".gitconfig").write_text(CONFIG)
    (tmp_path / "more").write_text('[url "ssh://me@inner.example/"]\n\tinsteadOf = ssh://me@box.example/\n')
    added = {"COUNT": "1", "KEY_0": "url./mnt/.insteadOf", "VALUE_0": "file:///srv/"}
    return {"HOME": str(tmp_path), "GIT_CONFIG_NOSYSTEM": "1", **{f"GIT_CONFIG_{each}": added[each] for each in added}}


def test_an_address_leads_where_git_says(environ: dict[str, str]) -> None:
    for address in ADDRESSES:
        asked = ["git", "ls-remote", "--get-url", address]
        done = subprocess.run(
            asked, env={**environ, "PATH": os.environ["PATH"]}, cwd="/", capture_output=True, text=True, check=True
        )
        assert leads_to(address, environ) == leads_to(done.stdout.strip(), {}), address
    assert leads_to(ADDRESSES[0], environ).display == "git@forge.example:a/b.git"


@claim("secrets-never-shown")
def test_a_login_that_the_configuration_holds_is_not_shown(environ: dict[str, str]) -> None:
    found = leads_to(ADDRESSES[1], environ)
    assert (found.display, found.password) == ("https://forge.example/team/b.git", "hunter2")


def test_no_configuration_leads_to_a_form_that_is_refused(environ: dict[str, str]) -> None:
    with pytest.raises(InvalidRemote) as caught:
        leads_to("https://evil.example/hunter2", environ)
    assert caught.value.remote == "ext::"
    assert caught.value.reason == (
        "git's url.insteadOf leads there from https://evil.example/hunter2, and it names a remote helper, which could "
        "run any program"
    )


def test_what_is_refused_is_refused_wherever_it_would_lead(environ: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / ".gitconfig").write_text('[url "/srv/"]\n\tinsteadOf = "ext::"\n\tinsteadOf = ""\n')
    assert leads_to("/other", environ).path == "/other"
    with pytest.raises(InvalidRemote):
        leads_to("ext::sh", environ)


@pytest.mark.parametrize(
    "content",
    [
        b"[url",
        b'[url "x"]\n\tinsteadOf\n',
        b"\0",
        b"[include]\n\tpath = .gitconfig\n",
        b'[url "\xff"]\ninsteadOf = \xff\n',
    ],
)
def test_a_damaged_configuration_leads_nowhere(environ: dict[str, str], tmp_path: Path, content: bytes) -> None:
    (tmp_path / ".gitconfig").write_bytes(content)
    environ["GIT_CONFIG_COUNT"] = "many"
    assert leads_to(ADDRESSES[0], environ).display == ADDRESSES[0]


def test_a_configuration_is_looked_for_where_git_looks(tmp_path: Path) -> None:
    for name in ("home/.config/git/config", "xdg/git/config", "global", "system"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(f'[url "/{name.partition("/")[0]}/"]\n\tinsteadOf = x:\n')
    home = {"HOME": str(tmp_path / "home"), "GIT_CONFIG_NOSYSTEM": "yes"}
    cases = [
        (home, ["/home/"]),
        ({**home, "XDG_CONFIG_HOME": str(tmp_path / "xdg")}, ["/xdg/"]),
        ({**home, "GIT_CONFIG_GLOBAL": str(tmp_path / "global")}, ["/global/"]),
        ({**home, "GIT_CONFIG_GLOBAL": ""}, []),
        ({"GIT_CONFIG_SYSTEM": str(tmp_path / "system")}, ["/system/"]),
        ({"GIT_CONFIG_SYSTEM": str(tmp_path / "system"), "GIT_CONFIG_NOSYSTEM": "false"}, ["/system/"]),
    ]
    for environ, expected in cases:
        assert [base for _, base in rewrites(environ)] == expected


def test_a_room_is_where_the_address_leads(tmp_path: Path) -> None:
    mailbox = create_repository(tmp_path / "mailbox.git")
    (tmp_path / ".gitconfig").write_text(f'[url "{tmp_path}/"]\n\tinsteadOf = https://forge.example/\n')
    environ = {"HOME": str(tmp_path), "GIT_CONFIG_NOSYSTEM": "1"}
    address = "https://forge.example/mailbox.git"
    config = RelayConfig(remote=address, token=app.new_token(), peer_id="alice", home=tmp_path / "relay")
    app.create_room(config, "bob", environ)
    assert app.inspect_room(config, environ).peers == ("alice", "bob")
    assert app.assemble(config, environ).transport.remote == str(mailbox)
    assert check_access(address, environ, 20.0).remote == str(mailbox)
