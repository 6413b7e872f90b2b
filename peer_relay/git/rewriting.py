"""Where an address leads by the user's own configuration of git: `url.<base>.insteadOf`.

1. The configuration of the user and of the system counts, and what the environment adds to it, where git looks for
   them. That of the folder in which an agent happens to be started has no say: it comes with a project.
2. The longest beginning wins, as in git, and where it leads is judged as every address is. So no configuration leads to
   a form that is refused.
3. `pushInsteadOf` has no effect: a mailbox is written where it is read, or else nothing could be compared.
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from dulwich.config import ConfigFile, StackedConfig, env_config, iter_instead_of

from peer_relay.disk import without_waiting
from peer_relay.errors import InvalidRemote
from peer_relay.git.remote import parse_remote

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from peer_relay.git.remote import Remote

_NO = ("", "0", "false", "no", "off")
_SYSTEM = "/etc/gitconfig"


def leads_to(address: str, environ: Mapping[str, str]) -> Remote:
    """Take an address apart, as the user's git would understand it.

    Args:
        address: as it was configured.
        environ: the environment, which says where git's configuration is.

    Raises:
        InvalidRemote: its form is refused, or that of where it leads.
    """
    remote = parse_remote(address)
    fitting = [(begin, base) for begin, base in rewrites(environ) if begin and address.startswith(begin)]
    if not fitting:
        return remote
    begin, base = max(fitting, key=lambda each: len(each[0]))
    try:
        return parse_remote(base + address.removeprefix(begin))
    except InvalidRemote as error:
        reason = f"git's url.insteadOf leads there from {remote.display}, and {error.reason}"
        raise InvalidRemote(remote=error.remote, reason=reason, advice=error.advice) from None


def rewrites(environ: Mapping[str, str]) -> list[tuple[str, str]]:
    """Return which beginnings of addresses stand for which others; none of a configuration that cannot be read."""
    backends = list(map(_read, _places(environ)))
    with suppress(ValueError, KeyError):
        if (added := env_config(environ)) is not None:
            backends.insert(0, added)
    with suppress(UnicodeDecodeError):
        return list(iter_instead_of(StackedConfig(backends)))
    return []


def _read(path: Path) -> ConfigFile:
    """Return a configuration with all that it includes; an empty one if it cannot be read."""
    with suppress(OSError, ValueError), open(path, "rb", opener=without_waiting) as file:
        return ConfigFile.from_file(file, config_dir=str(path.parent))
    return ConfigFile()


def _places(environ: Mapping[str, str]) -> Iterator[Path]:
    """Yield where git looks, the most special place first."""
    home = environ.get("HOME") or environ.get("USERPROFILE")
    if chosen := environ.get("GIT_CONFIG_GLOBAL"):
        yield Path(chosen)
    elif home and "GIT_CONFIG_GLOBAL" not in environ:
        yield Path(home, ".gitconfig")
        yield Path(environ.get("XDG_CONFIG_HOME") or Path(home, ".config"), "git", "config")
    if environ.get("GIT_CONFIG_NOSYSTEM", "").lower() in _NO:
        yield Path(environ.get("GIT_CONFIG_SYSTEM") or _SYSTEM)
