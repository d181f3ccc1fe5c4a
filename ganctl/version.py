"""The version of the installed ganctl."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version

try:
    __version__ = version("ganctl")
except PackageNotFoundError:  # a source tree that is not installed
    __version__ = "0"
