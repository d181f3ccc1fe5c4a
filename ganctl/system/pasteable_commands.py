"""Commands of ganctl in hints and messages, quoted so that they can be pasted into a shell.

A message shows at most one command, after ``": "`` and at the end of its line, so that everything from ``ganctl`` to
the end of the line is the command.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable
from pathlib import Path


def ganctl_command(*words: str | Path, plugins: Iterable[str | Path] = ()) -> str:
    """Return ``ganctl WORDS…`` as text that a shell splits into exactly these words.

    Args:
        words: arguments of ganctl. Pass paths as ``Path`` objects, so that a leading hyphen does not start an option.
        plugins: plugin files that the command needs, added as ``--plugin FILE``.
    """
    return _join(
        [*map(_word, words), *(word for file in plugins for word in ("--plugin", _word(Path(file))))]
    )


def ganctl_pattern(*words: str) -> str:
    """Return ``ganctl WORDS…`` with placeholders in capital letters, such as ``MODEL``, that the user replaces."""
    if not any(re.search(r"\b[A-Z]{2,}\b", word) for word in words):
        raise ValueError(f"{words} contains no placeholder: use ganctl_command")
    return _join(words)


def quote(word: str | Path) -> str:
    """Return ``word`` quoted for a shell, on one line and with characters that every terminal can display."""
    text = str(word)
    if text.isprintable():
        return shlex.quote(text)
    return f"$'{''.join(map(_escape, text))}'"  # supported by bash, zsh, ksh and POSIX 2024


def _escape(character: str) -> str:
    if character.isprintable() and character not in "\\'":
        return character
    undecodable = "\udc80" <= character <= "\udcff"  # a byte of a file name that is not valid UTF-8
    encoded = character.encode("utf-8", "surrogateescape" if undecodable else "replace")
    return "".join(f"\\x{byte:02x}" for byte in encoded)


def _word(word: str | Path) -> str:
    text = str(word)
    return f"./{text}" if isinstance(word, Path) and text.startswith("-") else text


def _join(words: Iterable[str]) -> str:
    return " ".join(["ganctl", *map(quote, words)])
