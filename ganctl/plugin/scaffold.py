"""Create the distribution for a new plugin from the files in ``templates/``, for ``ganctl plugins new``."""

from __future__ import annotations

import importlib.util
import keyword
import re
import sys
from pathlib import Path

from ganctl.errors import USAGE, GanctlError
from ganctl.plugin.names import component_name, identifier, package_name
from ganctl.plugin.registry import KINDS, NAME, Registry
from ganctl.system.files import disk_error
from ganctl.system.pasteable_commands import ganctl_command
from ganctl.version import __version__

TEMPLATES = Path(__file__).parent / "templates"
#: Kind → arguments of ``ganctl`` that use the component.
USES = {
    "loss": "train --model dcgan --data glyphs --loss {name}",
    "generator": "train --model dcgan --data glyphs --generator {name}",
    "discriminator": "train --model dcgan --data glyphs --discriminator {name}",
    "dataset": "train --model dcgan --data {name}",
    "optimizer": "train --model dcgan --data glyphs --optimizer {name}",
    "augmentation": "train --model dcgan --data glyphs --augment {name}",
    "model": "train --model {name} --data glyphs",
    "regularizer": "train --model dcgan --data glyphs --regularizer {name}",
    "latent": "train --model dcgan --data glyphs --latent {name}",
    "metric": "train --model dcgan --data glyphs --metric {name}",
    "tracker": "train --model dcgan --data glyphs --tracker {name}",
    "command": "{name} FOLDER",
}
#: Valid distribution names (PEP 508) that are short enough for any file system.
DISTRIBUTION = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,98}[A-Za-z0-9])?")


def create(distribution: str, kind: str, into: Path, registry: Registry) -> list[Path]:
    """Create a distribution with a working component of ``kind`` in the folder ``into/distribution``.

    The component is named after the distribution, without a leading ``ganctl-``. The package is also named after the
    distribution, with underscores.

    Returns:
        The files that were written.

    Raises:
        GanctlError: The name is invalid or taken, or the folder exists or cannot be written.
    """
    package = package_name(distribution)
    _check_name(distribution, package)
    name = component_name(distribution)
    taken = registry.find(kind, name) if kind in KINDS else []
    if not NAME.fullmatch(name) or taken:
        reason = f"{taken[0].origin} already registers this name" if taken else "this name is invalid"
        raise GanctlError(
            f"The {kind} would be called '{name}', but {reason}.",
            f"Choose another name. To list the names in use: {ganctl_command(*_listing(kind))}",
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
        "function": identifier(name),
        "use": USES[kind].format(name=name),
        "info": f"info {name}" if kind in KINDS else f"{name} --help",
        "where": f"`src/{package}/{kind}.py` contains the {kind}."
        if kind != "model"
        else "The model is a recipe that names registered components and their options.",
    }
    texts = {folder / path: _fill(template, values) for path, template in _files(kind, package).items()}
    try:
        folder.mkdir(parents=True)
        for path, text in texts.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
    except FileExistsError as error:
        raise GanctlError(
            f"{folder} already exists; nothing was written.",
            "Choose another name, or another parent directory with --into.",
            status=USAGE,
        ) from error
    except OSError as error:
        raise disk_error(folder, error) from error
    return list(texts)


def _listing(kind: str) -> tuple[str, ...]:
    """Return the arguments of ``ganctl`` that list the names of ``kind``."""
    return ("list", KINDS[kind]) if kind in KINDS else ("--help",)


def _files(kind: str, package: str) -> dict[str, str]:
    """Return the template of each file, keyed by its path in the distribution."""
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
        reason = (
            "the name of a distribution consists of letters, digits, hyphens, dots and underscores, "
            "and begins and ends with a letter or digit"
        )
    elif not package.isidentifier() or keyword.iskeyword(package.lower()):
        reason = f"Python cannot import a package '{package}'"
    elif package.lower() in sys.stdlib_module_names or importlib.util.find_spec(package) is not None:
        reason = f"a module '{package}' already exists"
    else:
        return
    raise GanctlError(
        f"'{distribution}' cannot be used: {reason}.", "Use a name such as ganctl-soft-hinge.", status=USAGE
    )
