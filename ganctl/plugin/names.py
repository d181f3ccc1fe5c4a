"""Normalize names: of distributions, components and settings, and the names that are derived from them."""

from __future__ import annotations

import re

FILE_SCHEME = "file:"  # prefix of the names of "distributions" that are plugin files


def plugin_file(distribution: str) -> str:
    """Return the name of the plugin file if ``distribution`` is one, such as ``file:my_loss.py``; otherwise empty."""
    return distribution.removeprefix(FILE_SCHEME) if distribution.startswith(FILE_SCHEME) else ""


def normalize(name: str) -> str:
    """Return the name of a distribution or plugin as package managers compare it.

    The result is in lower case, and each run of hyphens, underscores and dots is one hyphen: ``"My_Plugin.x"``
    becomes ``"my-plugin-x"``.
    """
    return re.sub(r"[-_.]+", "-", name.strip()).lower()


def setting_name(name: object) -> str:
    """Return the name of a setting as Python and TOML spell it: ``"batch-size"`` becomes ``"batch_size"``."""
    return str(name).replace("-", "_")


def same_name(one: str, other: str) -> bool:
    """Return whether two names of components are equal, with hyphens or underscores."""
    return setting_name(one) == setting_name(other)


def option_name(name: str) -> str:
    """Return the name of a setting as the command line spells it: ``"batch_size"`` becomes ``"batch-size"``.

    Names of a component's options, such as ``"latent.z_dim"``, are spelled the same everywhere.
    """
    return name if "." in name else name.replace("_", "-")


def package_name(distribution: str) -> str:
    """Return the name of the package in a new distribution: ``"ganctl_soft_hinge"`` for ``"ganctl-soft-hinge"``."""
    return re.sub(r"[.-]", "_", distribution)


def component_name(distribution: str) -> str:
    """Return the name of the component in a new distribution: ``"soft-hinge"`` for ``"ganctl-soft-hinge"``."""
    return re.sub(r"[._]", "-", distribution.lower()).removeprefix("ganctl-")


def identifier(text: str) -> str:
    """Return ``text`` with an underscore in place of each character that a Python identifier cannot contain."""
    return re.sub(r"[^A-Za-z0-9_]", "_", text)
