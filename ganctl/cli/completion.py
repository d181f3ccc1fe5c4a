"""``ganctl completion``: shell completion of commands, options and component names."""

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
    """Print a line that enables shell completion.

    Add the line to ~/.bashrc, ~/.zshrc or ~/.config/fish/config.fish.
    """
    print(LINES[shell])
