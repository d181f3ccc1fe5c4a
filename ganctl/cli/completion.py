"""``ganctl completion``: names of commands, options and components at the press of Tab."""

from __future__ import annotations

import click

LINES = {
    "bash": 'eval "$(_GANCTL_COMPLETE=bash_source ganctl)"',
    "zsh": 'eval "$(_GANCTL_COMPLETE=zsh_source ganctl)"',
    "fish": "_GANCTL_COMPLETE=fish_source ganctl | source",
}


@click.command("completion")
@click.argument("shell", type=click.Choice(list(LINES)))
def completion(shell: str) -> None:
    """Print the line that switches completion on.

    Add it to ~/.bashrc, ~/.zshrc or ~/.config/fish/config.fish.
    """
    print(LINES[shell])
