"""The import rules that keep the parts apart, checked in every file's syntax tree."""

from __future__ import annotations

import ast
import importlib.util
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import ganctl

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).parents[1]
CORE = sorted((ROOT / "ganctl").rglob("*.py"))
PLUGINS = sorted((ROOT / "plugins").rglob("*.py"))
#: Modules of ganctl, besides the package itself, that plugins may import.
PUBLIC_MODULES = {"penalties", "sizes"}
#: What no command line that only asks may wait for.
HEAVY = {"torch", "torchvision", "numpy", "PIL", "rich", "matplotlib", "tensorboard"}


def label(path: Path) -> str:
    return str(path.relative_to(ROOT))


def imports(tree: ast.AST, package: str = "") -> Iterator[str]:
    """Everything imported below ``tree``, as ``module`` or ``module.name``; relative ones made absolute."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
            module = ".".join([*base, *([node.module] if node.module else [])])
            yield from (f"{module}.{alias.name}" for alias in node.names)


def at_start(tree: ast.Module) -> ast.Module:
    """``tree`` without what only runs later, in a function, or never, under ``if TYPE_CHECKING``."""

    class Strip(ast.NodeTransformer):
        def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
            return None

        visit_AsyncFunctionDef = visit_FunctionDef  # type: ignore[assignment]  # noqa: N815

        def visit_If(self, node: ast.If) -> ast.AST | None:
            return None if ast.unparse(node.test).endswith("TYPE_CHECKING") else self.generic_visit(node)

    stripped = Strip().visit(tree)
    assert isinstance(stripped, ast.Module)
    return stripped


def parse(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), str(path))


def package_of(path: Path) -> str:
    parts = path.relative_to(ROOT).parent.parts
    return ".".join(parts[1:] if parts[0] == "plugins" else parts)


def test_there_is_something_to_check() -> None:
    assert len(CORE) > 20
    assert len({path.parent for path in PLUGINS}) >= 5


@pytest.mark.parametrize("path", CORE, ids=label)
def test_ganctl_never_imports_a_plugin(path: Path) -> None:
    found = [
        name for name in imports(parse(path), package_of(path)) if name.split(".")[0].startswith("ganctl_")
    ]
    assert found == []


@pytest.mark.parametrize("path", PLUGINS, ids=label)
def test_plugins_use_public_names_alone(path: Path) -> None:
    tree = parse(path)
    public = set(ganctl.__all__)
    used = {
        name.removeprefix("ganctl.") for name in imports(tree, package_of(path)) if name.startswith("ganctl.")
    }
    used |= {
        node.attr
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "ganctl"
    }
    private = {name for name in used if name not in public and name.split(".")[0] not in PUBLIC_MODULES}
    assert private == set(), "import these from ganctl's public names, or make them public"


@pytest.mark.parametrize("path", PLUGINS, ids=label)
def test_a_plugin_imports_no_other_plugin(path: Path) -> None:
    mine = path.relative_to(ROOT / "plugins").parts[0]
    foreign = {name.split(".")[0] for name in imports(parse(path), package_of(path))}
    assert {name for name in foreign if name.startswith("ganctl_")} <= {mine}


@pytest.mark.parametrize(
    "path",
    [*(ROOT / "ganctl" / "cli").glob("*.py"), *(ROOT / "plugins").glob("ganctl_*/__init__.py")],
    ids=label,
)
def test_commands_and_registration_start_without_anything_heavy(path: Path) -> None:
    names = {name.split(".")[0] for name in imports(at_start(parse(path)), package_of(path))}
    assert names & HEAVY == set()


def test_public_names_exist_and_are_the_lazy_ones_too() -> None:
    assert sorted(ganctl.__all__) == sorted(set(ganctl.__all__))
    for name in ganctl.__all__:
        assert getattr(ganctl, name) is not None
    assert set(ganctl._LAZY) <= set(ganctl.__all__)


def test_entry_points_lead_to_packages_and_every_package_has_one() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    points = set(project["entry-points"]["ganctl"].values())
    assert points == {path.parent.name for path in (ROOT / "plugins").glob("ganctl_*/__init__.py")}
    module, _, function = project["scripts"]["ganctl"].partition(":")
    assert importlib.util.find_spec(module) is not None
    assert callable(getattr(importlib.import_module(module), function))


#: The packages and modules of ganctl, from the bottom up. Each may import what is in its own row or below.
ORDER = (
    "errors version",
    "kernels",
    "recipe sizes loss latent dataset penalties",
    "system",
    "rendering",
    "data",
    "plugin",
    "config",
    "runs",
    "evaluation",
    "training",
    "sampling",
    "diagnostics",
    "sweeps",
    "reports",
    "explore",
    "testing",
    "api",
    "cli pytest_plugin __main__",
)
#: (importing file, imported module): reason.
UPWARD = {
    ("runs/folder.py", "reports"): "a notebook shows a run; imported only when it does",
}
#: Packages whose __init__.py is itself a public address; all others contain only a docstring.
#: ganctl.cli:main is the console script, and plugin authors import ganctl.testing.
ADDRESSES = {"cli", "testing"}


def rank(name: str) -> int:
    return next(i for i, row in enumerate(ORDER) if name in row.split())


@pytest.mark.parametrize(
    "path", [p for p in CORE if p.parent != ROOT / "ganctl" or p.stem != "__init__"], ids=label
)
def test_imports_point_downward(path: Path) -> None:
    inside = path.relative_to(ROOT / "ganctl")
    mine = rank(inside.parts[0].removesuffix(".py"))
    upward = set()
    for name in imports(parse(path), package_of(path)):
        parts = name.split(".")
        if parts[0] == "ganctl" and len(parts) > 1 and not is_public_name(parts[1]) and rank(parts[1]) > mine:
            upward.add((str(inside), parts[1]))
    assert upward - UPWARD.keys() == set()


def is_public_name(name: str) -> bool:
    """Whether ``ganctl.name`` is an object of the package itself and not a module or package in it."""
    return not ((ROOT / "ganctl" / name).is_dir() or (ROOT / "ganctl" / f"{name}.py").is_file())


def test_every_listed_exception_is_needed() -> None:
    for file, target in UPWARD:
        names = imports(parse(ROOT / "ganctl" / file), package_of(ROOT / "ganctl" / file))
        assert any(name.split(".")[1:2] == [target] for name in names), f"{file} imports {target} no longer"


def test_the_order_lists_each_package_and_module_once() -> None:
    listed = [name for row in ORDER for name in row.split()]
    there = {
        p.stem
        for p in (ROOT / "ganctl").iterdir()
        if (p.suffix == ".py" and p.stem != "__init__") or (p / "__init__.py").is_file()
    }
    assert sorted(listed) == sorted(there)


@pytest.mark.parametrize(
    "path",
    [
        p
        for p in CORE
        if p.name == "__init__.py" and p.parent != ROOT / "ganctl" and p.parent.name not in ADDRESSES
    ],
    ids=label,
)
def test_a_package_contains_only_a_docstring(path: Path) -> None:
    body = parse(path).body
    assert len(body) == 1
    assert isinstance(body[0], ast.Expr)
    assert isinstance(body[0].value, ast.Constant)


def test_the_map_in_contributing_lists_every_package_and_module() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    block = text.partition("```text\nganctl/")[2].partition("\nplugins/")[0]
    listed = {
        name.strip("/, ")
        for line in block.splitlines()[1:]
        for name in re.findall(r"^  ((?:[\w.]+/?(?:, )?)+)", line)
    }
    listed = {name for entry in listed for name in entry.split(", ")}
    there = {
        p.name for p in (ROOT / "ganctl").iterdir() if p.suffix == ".py" or (p / "__init__.py").is_file()
    }
    assert listed == there - {"__init__.py", "__main__.py"}


def test_the_rules_notice_what_they_forbid() -> None:
    """A rule that cannot fail guards nothing."""
    tree = ast.parse(
        "import torch.nn\nfrom . import x\nfrom ..y import z\nfrom ganctl.training.engine import step\n"
        "if TYPE_CHECKING:\n    import numpy\ndef f():\n    import PIL\ntry:\n    import rich\nexcept ImportError: pass"
    )
    found = set(imports(tree, "ganctl.cli"))
    assert {
        "torch.nn",
        "ganctl.cli.x",
        "ganctl.y.z",
        "ganctl.training.engine.step",
        "numpy",
        "PIL",
        "rich",
    } == found
    early = {name.split(".")[0] for name in imports(at_start(tree), "ganctl.cli")}
    assert early & HEAVY == {"torch", "rich"}
