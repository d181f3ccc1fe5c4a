"""Shell completion of run folders and of options of parts, without importing torch."""

from __future__ import annotations

import ast
import importlib.util
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ganctl.cli.path_type import PathType

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

    from ganctl.plugin.registry import Component


class RunPath(PathType):
    """A path that the shell completes to a run folder in ``runs/``, or in the folder that the user is typing."""

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        from click.shell_completion import CompletionItem

        patterns = [f"{incomplete}*/config.toml", *([] if "/" in incomplete else ["runs/*/config.toml"])]
        found = {str(path.parent) for pattern in patterns for path in _glob(pattern)}
        runs = sorted(path for path in found if incomplete in path)
        return [CompletionItem(path) for path in runs] or super().shell_complete(ctx, param, incomplete)


class PartOption(click.ParamType):
    """``PART.OPTION=VALUE``, completed up to ``=``, with options of the components of ``--model`` if it is given."""

    name = "text"

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        from click.shell_completion import CompletionItem

        from ganctl.config.command_line import PARTS
        from ganctl.plugin import discovery

        registry = discovery.discover().registry
        part, dot, _ = incomplete.partition(".")
        if not dot:
            names = [*PARTS, *registry.names("regularizer")]
            return [CompletionItem(f"{name}.") for name in names if name.startswith(incomplete)]
        texts = {
            f"{part}.{name}=" for component in _chosen(ctx, part, registry) for name in _parameters(component)
        }
        return [CompletionItem(text) for text in sorted(texts) if text.startswith(incomplete)]


def _glob(pattern: str) -> Iterator[Path]:
    if pattern.startswith("/"):
        return Path("/").glob(pattern[1:])
    return Path().glob(pattern)


def _chosen(ctx: click.Context, part: str, registry: Any) -> list[Component]:
    """Return the component of ``part`` that the options or the model specify, or all possible components."""
    from ganctl.config.settings import COMPONENTS

    kind = "optimizer" if part == "optimizer" else COMPONENTS.get(part)
    if kind is None:
        return registry.find("regularizer", part)
    everything: list[Component] = registry.all(kind)
    model = next(
        (item.target for item in registry.all("model") if item.name == ctx.params.get("model")), None
    )
    spec = getattr(model, "g_optimizer" if part == "optimizer" else part, None)
    name = ctx.params.get(part) or getattr(spec, "name", None)
    return [item for item in everything if item.name == name] or everything


def _parameters(component: Component) -> list[str]:
    """Return the names of the options of ``component``, read from the source of its module."""
    from ganctl.plugin.options import FILLED_IN

    if not isinstance(component.target, str):
        return []
    module, _, attribute = component.target.partition(":")
    if module.partition(".")[0] == "torch":  # finding a module imports its package
        return []
    spec = importlib.util.find_spec(module)
    if spec is None or spec.origin is None:
        return []
    for node in ast.parse(Path(spec.origin).read_text(encoding="utf-8")).body:
        if isinstance(node, ast.ClassDef) and node.name == attribute:
            inits = [
                item for item in node.body if isinstance(item, ast.FunctionDef) and item.name == "__init__"
            ]
            arguments = [arg for init in inits for arg in (*init.args.args[1:], *init.args.kwonlyargs)]
        elif isinstance(node, ast.FunctionDef) and node.name == attribute:
            arguments = [*node.args.args, *node.args.kwonlyargs]
        else:
            continue
        names = [arg.arg for arg in arguments if arg.arg not in FILLED_IN[component.kind]]
        return [*names, "every"] if component.kind == "regularizer" else names
    return []
