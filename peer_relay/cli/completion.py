"""`completion`: what makes a shell complete."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

from peer_relay.cli.command import command
from peer_relay.cli.output import say

_SHELLS = ("bash", "zsh", "fish")
_VARIABLE = "_PEER_RELAY_COMPLETE"


@command(
    examples=[
        "peer-relay completion bash > ~/.local/share/bash-completion/completions/peer-relay",
        "peer-relay completion zsh > ~/.zfunc/_peer-relay",
        "peer-relay completion fish > ~/.config/fish/completions/peer-relay.fish",
    ]
)
@click.argument("shell", type=click.Choice(_SHELLS))
def completion(shell: str) -> None:
    """Print what makes a shell complete commands, options and ids.

    Put it where your shell looks for completions, as in the examples, and start a new shell. For zsh, the folder has
    to be in `fpath` before `compinit` runs.
    """
    made = get_completion_class(shell)
    assert made is not None  # noqa: S101 - click knows these three
    root = click.get_current_context().find_root().command
    say(made(root, {}, "peer-relay", _VARIABLE).source().rstrip("\n"))
