"""Check rules for imports and for the layout of the source tree in the syntax tree of every file."""

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
#: Modules of ganctl that plugins may import, in addition to the package itself.
PUBLIC_MODULES = {"batchwise", "image_files", "penalties", "sizes"}
#: Slow imports, which ``--help`` and ``ganctl list`` avoid.
HEAVY = {"torch", "torchvision", "numpy", "PIL", "rich", "matplotlib", "tensorboard"}


def label(path: Path) -> str:
    return str(path.relative_to(ROOT))


def imports(tree: ast.AST, package: str = "") -> Iterator[str]:
    """Yield every import in ``tree`` as ``module`` or ``module.name``, with relative imports resolved."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
            module = ".".join([*base, *([node.module] if node.module else [])])
            yield from (f"{module}.{alias.name}" for alias in node.names)


def at_start(tree: ast.Module) -> ast.Module:
    """Return ``tree`` without function bodies, which run later, and ``if TYPE_CHECKING`` blocks, which never run."""

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


def test_files_are_found() -> None:
    assert len(CORE) > 20
    assert len({path.parent for path in PLUGINS}) >= 5


@pytest.mark.parametrize("path", CORE, ids=label)
def test_ganctl_imports_no_plugin(path: Path) -> None:
    found = [
        name for name in imports(parse(path), package_of(path)) if name.split(".")[0].startswith("ganctl_")
    ]
    assert found == []


@pytest.mark.parametrize("path", PLUGINS, ids=label)
def test_plugins_use_only_public_names(path: Path) -> None:
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
    assert private == set(), "these names are private: use public names, or make these public"


@pytest.mark.parametrize("path", PLUGINS, ids=label)
def test_plugin_imports_no_other_plugin(path: Path) -> None:
    own = path.relative_to(ROOT / "plugins").parts[0]
    imported = {name.split(".")[0] for name in imports(parse(path), package_of(path))}
    assert {name for name in imported if name.startswith("ganctl_")} <= {own}


@pytest.mark.parametrize(
    "path",
    [*(ROOT / "ganctl" / "cli").glob("*.py"), *(ROOT / "plugins").glob("ganctl_*/__init__.py")],
    ids=label,
)
def test_commands_and_registration_avoid_slow_imports(path: Path) -> None:
    names = {name.split(".")[0] for name in imports(at_start(parse(path)), package_of(path))}
    assert names & HEAVY == set()


def test_public_names_exist_and_include_the_lazy_names() -> None:
    assert sorted(ganctl.__all__) == sorted(set(ganctl.__all__))
    for name in ganctl.__all__:
        assert getattr(ganctl, name) is not None
    assert set(ganctl._LAZY) <= set(ganctl.__all__)


def test_each_plugin_package_has_an_entry_point() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    points = set(project["entry-points"]["ganctl"].values())
    assert points == {path.parent.name for path in (ROOT / "plugins").glob("ganctl_*/__init__.py")}
    module, _, function = project["scripts"]["ganctl"].partition(":")
    assert importlib.util.find_spec(module) is not None
    assert callable(getattr(importlib.import_module(module), function))


#: Packages and modules of ganctl, lowest first. Each may import from the same row and from earlier rows.
ORDER = (
    "errors version",
    "kernels",
    "batchwise recipe sizes loss regularizer latent dataset penalties",
    "system",
    "image_files",
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
#: Maps (importing file, imported module) to the reason for the exception.
UPWARD = {
    ("runs/folder.py", "reports"): "a notebook displays a run; imported only then",
}
#: Packages whose __init__.py is a public import path. All other __init__.py files contain only a docstring.
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
    """Return whether ``ganctl.name`` is an object in the package and not a module or subpackage."""
    return not ((ROOT / "ganctl" / name).is_dir() or (ROOT / "ganctl" / f"{name}.py").is_file())


def test_every_listed_exception_is_needed() -> None:
    for file, target in UPWARD:
        names = imports(parse(ROOT / "ganctl" / file), package_of(ROOT / "ganctl" / file))
        assert any(name.split(".")[1:2] == [target] for name in names), f"{file} imports {target} no longer"


def test_order_lists_each_package_and_module_once() -> None:
    listed = [name for row in ORDER for name in row.split()]
    existing = {
        p.stem
        for p in (ROOT / "ganctl").iterdir()
        if (p.suffix == ".py" and p.stem != "__init__") or (p / "__init__.py").is_file()
    }
    assert sorted(listed) == sorted(existing)


@pytest.mark.parametrize(
    "path",
    [
        p
        for p in CORE
        if p.name == "__init__.py" and p.parent != ROOT / "ganctl" and p.parent.name not in ADDRESSES
    ],
    ids=label,
)
def test_package_init_contains_only_a_docstring(path: Path) -> None:
    body = parse(path).body
    assert len(body) == 1
    assert isinstance(body[0], ast.Expr)
    assert isinstance(body[0].value, ast.Constant)


def test_contributing_lists_every_package_and_module() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    block = text.partition("```text\nganctl/")[2].partition("\nplugins/")[0]
    listed = {
        name.strip("/, ")
        for line in block.splitlines()[1:]
        for name in re.findall(r"^  ((?:[\w.]+/?(?:, )?)+)", line)
    }
    listed = {name for entry in listed for name in entry.split(", ")}
    existing = {
        p.name for p in (ROOT / "ganctl").iterdir() if p.suffix == ".py" or (p / "__init__.py").is_file()
    }
    assert listed == existing - {"__init__.py", "__main__.py"}


#: Maps test files and folders that do not test a single file to what they test.
NOT_MIRRORED = {
    "benchmarks": "the folder benchmarks/",
    "docs": "the pages and examples in docs/",
    "faults": "signals, full disks, damaged files: several packages at a time",
    "outside_authors": "variants of GANs in plugin files, written from the documentation only",
    "cli/test_commands.py": "ganctl/cli/__init__.py",
    "plugins/test_every_model.py": "all models of all plugins",
    "plugins/test_ganctl_losses_equations.py": "every loss, compared with its equation",
    "plugins/test_ganctl_regularizers_training.py": "every regularizer with every loss, when not due, and resumed",
    "plugins/test_ganctl_trackers_services.py": "W&B and MLflow, with their packages",
    "reports/test_page_layout.py": "ganctl/reports/assets/ in a browser",
    "runs/test_earlier_checkpoints.py": "sampling and resuming a checkpoint from an earlier version",
    "testing/test_checks.py": "all checks of ganctl/testing/",
    "training/test_minutes.py": "runs with a time limit: the loop, the log, resume and watch",
    "test_architecture.py": "this file",
    "test_startup.py": "imports of --help, listings and shell completion",
}
TESTS = [path.relative_to(ROOT / "tests") for path in sorted((ROOT / "tests").rglob("test_*.py"))]


@pytest.mark.parametrize("path", TESTS, ids=str)
def test_tests_mirror_the_tree(path: Path) -> None:
    """``tests/DIR/test_FILE.py`` tests ``ganctl/DIR/FILE.py``, and ``tests/plugins/test_NAME.py`` tests a plugin."""
    if path.parts[0] in NOT_MIRRORED or path.as_posix() in NOT_MIRRORED:
        return
    name = path.stem.removeprefix("test_")
    plugin = ROOT / "plugins" / name / "__init__.py"
    tested = plugin if path.parts[0] == "plugins" else ROOT / "ganctl" / path.parent / f"{name}.py"
    assert tested.is_file(), (
        f"{label(tested)} does not exist: rename the test file, or add it to NOT_MIRRORED"
    )


def test_not_mirrored_lists_existing_tests() -> None:
    assert [name for name in NOT_MIRRORED if not (ROOT / "tests" / name).exists()] == []


@pytest.mark.parametrize("path", TESTS, ids=str)
def test_test_files_share_code_through_helpers(path: Path) -> None:
    """Test files must not import other test files."""
    imported = imports(parse(ROOT / "tests" / path))
    assert [name for name in imported if re.match(r"(tests|test_\w+)\b", name)] == []


def test_imports_and_at_start_find_every_import() -> None:
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
