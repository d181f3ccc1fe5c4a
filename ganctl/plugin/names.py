"""Normalize the names of distributions, components and settings, and derive names from them."""

from __future__ import annotations

import re

FILE_SCHEME = "file:"  # prefix of "distribution" names for plugin files


def plugin_file(distribution: str) -> str:
    """Return the file name if ``distribution`` is a plugin file such as ``file:my_loss.py``, otherwise ``""``."""
    return distribution.removeprefix(FILE_SCHEME) if distribution.startswith(FILE_SCHEME) else ""


def normalize(name: str) -> str:
    """Return the name of a distribution or plugin, normalized as in package managers.

    The result is in lower case, and each run of hyphens, underscores and dots becomes one hyphen. For example,
    ``"My_Plugin.x"`` becomes ``"my-plugin-x"``.
    """
    return re.sub(r"[-_.]+", "-", name.strip()).lower()


def setting_name(name: object) -> str:
    """Return the name of a setting as spelled in Python and TOML. For example, "batch-size" becomes "batch_size"."""
    return str(name).replace("-", "_")


def same_name(one: str, other: str) -> bool:
    """Return whether two component names are equal, treating hyphens and underscores as equal."""
    return setting_name(one) == setting_name(other)


def option_name(name: str) -> str:
    """Return the name of a setting as spelled on the command line. For example, "batch_size" becomes "batch-size".

    Names of component options, such as ``"latent.z_dim"``, are spelled the same everywhere.
    """
    return name if "." in name else name.replace("_", "-")


def package_name(distribution: str) -> str:
    """Return the package name for a new distribution: ``"ganctl_soft_hinge"`` for ``"ganctl-soft-hinge"``."""
    return re.sub(r"[.-]", "_", distribution)


def component_name(distribution: str) -> str:
    """Return the component name for a new distribution: ``"soft-hinge"`` for ``"ganctl-soft-hinge"``."""
    return re.sub(r"[._]", "-", distribution.lower()).removeprefix("ganctl-")


def identifier(text: str) -> str:
    """Return ``text`` with an underscore in place of each character that a Python identifier cannot contain."""
    return re.sub(r"[^A-Za-z0-9_]", "_", text)
