"""A new plugin's distribution, made of the files in ``templates/``: what ``ganctl plugins new`` writes."""

from __future__ import annotations

import importlib.util
import keyword
import re
import sys
from pathlib import Path

from ganctl.errors import USAGE, GanctlError
from ganctl.plugin.registry import KINDS, NAME, Registry
from ganctl.system.files import disk_error
from ganctl.version import __version__

TEMPLATES = Path(__file__).parent / "templates"
#: Kind → what ``ganctl train`` is told to use the component.
USES = {
    "loss": "--model dcgan --data glyphs --loss {name}",
    "generator": "--model dcgan --data glyphs --generator {name}",
    "discriminator": "--model dcgan --data glyphs --discriminator {name}",
    "dataset": "--model dcgan --data {name}",
    "optimizer": "--model dcgan --data glyphs --optimizer {name}",
    "augmentation": "--model dcgan --data glyphs --augment {name}",
    "model": "--model {name} --data glyphs",
}
#: What a distribution's name is (PEP 508), short enough for any file system.
DISTRIBUTION = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,98}[A-Za-z0-9])?")


def make(distribution: str, kind: str, into: Path, registry: Registry) -> list[Path]:
    """Write a distribution with a working component of ``kind`` to the folder ``into/distribution``.

    The component is called as the distribution, without a leading ``ganctl-``; the package too, with underscores.

    Returns:
        The files that were written.

    Raises:
        GanctlError: a name that cannot be, or is taken; a folder that is there already, or cannot be written.
    """
    package = re.sub(r"[.-]", "_", distribution)
    _check_name(distribution, package)
    name = component_name(distribution)
    if not NAME.fullmatch(name) or registry.find(kind, name):
        taken = registry.find(kind, name)
        why = f"{taken[0].origin} registers that" if taken else "that is no name for a component"
        raise GanctlError(
            f"The {kind} would be called '{name}', but {why}.",
            f"Choose another name; those that are taken: ganctl list {KINDS[kind]}",
            status=USAGE,
        )
    folder = into / distribution
    values = {
        "distribution": distribution,
        "package": package,
        "name": name,
        "kind": kind,
        "article": "an" if kind[0] in "aeiou" else "a",
        "version": __version__,
        "Class": "".join(word.capitalize() for word in name.split("-")),
        "function": name.replace("-", "_"),
        "use": USES[kind].format(name=name),
        "where": f"`src/{package}/{kind}.py` is the {kind} itself."
        if kind != "model"
        else "The model is a recipe: it names registered components and their options.",
    }
    texts = {folder / path: _fill(template, values) for path, template in _files(kind, package).items()}
    try:
        folder.mkdir(parents=True)
        for path, text in texts.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
    except FileExistsError as error:
        raise GanctlError(
            f"{folder} is there already; nothing was written.",
            "Choose another name, or another folder with --into.",
            status=USAGE,
        ) from error
    except OSError as error:
        raise disk_error(folder, error) from error
    return list(texts)


def component_name(distribution: str) -> str:
    """What the component of a new distribution is called: ``"soft-hinge"`` of ``"ganctl-soft-hinge"``."""
    return re.sub(r"[._]", "-", distribution.lower()).removeprefix("ganctl-")


def _files(kind: str, package: str) -> dict[str, str]:
    """Path in the distribution → template."""
    files = {
        "pyproject.toml": "common/pyproject.toml.in",
        "README.md": "common/README.md.in",
        ".gitignore": "common/gitignore.in",
        ".github/workflows/test.yml": "common/workflow.yml.in",
        f"src/{package}/__init__.py": f"{kind}/init.py.in",
        f"src/{package}/{kind}.py": f"{kind}/component.py.in",
        f"tests/test_{package}.py": f"{kind}/test.py.in",
    }
    return {path: template for path, template in files.items() if (TEMPLATES / template).exists()}


def _fill(template: str, values: dict[str, str]) -> str:
    text = (TEMPLATES / template).read_text(encoding="utf-8")
    return re.sub(r"@(\w+)@", lambda match: values[match[1]], text)


def _check_name(distribution: str, package: str) -> None:
    if not DISTRIBUTION.fullmatch(distribution):
        why = "a distribution's name has letters, digits, hyphens, dots and underscores, and ends in a letter or digit"
    elif not package.isidentifier() or keyword.iskeyword(package.lower()):
        why = f"its package '{package}' could not be imported: begin with a letter, and avoid Python's own words"
    elif package.lower() in sys.stdlib_module_names or importlib.util.find_spec(package) is not None:
        why = f"a module '{package}' is there already, and Python would import that one"
    else:
        return
    raise GanctlError(f"'{distribution}' cannot be used: {why}.", "As in: ganctl-soft-hinge", status=USAGE)
