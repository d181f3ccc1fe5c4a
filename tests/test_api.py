"""Test that docs/api.md lists every public name with its signature from the code.

If a test fails, the public API has changed. If the change is intended, run ``python tests/test_api.py`` and commit the
result. Before a name is removed, it must emit a warning for one minor release.
"""

from __future__ import annotations

import importlib
import inspect
import re
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ForwardRef

import ganctl
from ganctl.plugin import hookspecs

PAGE = Path(__file__).parents[1] / "docs" / "api.md"
MODULES = (
    "ganctl",
    "ganctl.batchwise",
    "ganctl.image_files",
    "ganctl.penalties",
    "ganctl.sizes",
    "ganctl.testing",
)
REMEDY = (
    "The public API has changed. If this is intended, run python tests/test_api.py and update CHANGELOG.md."
)


def public_names(module: types.ModuleType) -> list[str]:
    """Return ``__all__``, or the functions and classes defined in the module."""
    names = getattr(module, "__all__", None)
    if names is not None:
        return sorted(names)
    return sorted(
        name
        for name, value in vars(module).items()
        if not name.startswith("_") and getattr(value, "__module__", None) == module.__name__
    )


def describe(module: types.ModuleType) -> str:
    return "\n".join(line for name in public_names(module) for line in entry(name, getattr(module, name)))


def entry(name: str, value: Any) -> Iterator[str]:
    if inspect.isclass(value):
        made = next((b for b in value.__mro__ if {"__init__", "__new__"} & vars(b).keys()), object)
        own = made.__module__.startswith("ganctl") and not getattr(value, "_is_protocol", False)
        yield f"class {name}{signature(value) if own else ''}"
        yield from (f"    {line}" for line in members(value))
    elif inspect.isroutine(value) and hasattr(value, "__module__"):
        yield f"def {name}{signature(value)}"
    elif isinstance(value, int):
        yield f"{name} = {value}"
    else:  # a type alias, a marker or the version
        yield name


def members(cls: type) -> Iterator[str]:
    """Yield the public attributes, properties and methods of ``cls`` and its bases in ganctl."""
    seen: set[str] = set()
    for base in cls.__mro__:
        if not base.__module__.startswith("ganctl"):
            continue
        fields = set(getattr(base, "_fields", ())) | set(getattr(base, "__dataclass_fields__", ()))
        for name, annotation in inspect.get_annotations(base).items():
            if not name.startswith("_") and name not in seen | fields:
                seen.add(name)
                yield f"{name}: {annotation_text(annotation)}"
        for name, value in vars(base).items():
            if (name.startswith("_") and name != "__call__") or name in seen | fields:
                continue
            seen.add(name)
            if isinstance(value, property):
                yield f"{name}: {annotation_text(inspect.signature(value.fget).return_annotation)}"  # type: ignore[arg-type]
            elif isinstance(value, (classmethod, staticmethod)):
                yield f"{name}{signature(value.__func__, bound=True)}"
            elif inspect.isfunction(value):
                yield f"{name}{signature(value, bound=True)}"


def signature(callable: Any, *, bound: bool = False) -> str:
    """Return the signature as written in the source, independent of the Python version."""
    try:
        found = inspect.signature(callable)
    except ValueError:
        return ""
    parameters = list(found.parameters.values())[bound:]
    parts, star = [], False
    for index, p in enumerate(parameters):
        if p.kind is p.KEYWORD_ONLY and not star:
            parts.append("*")
        star = star or p.kind in (p.KEYWORD_ONLY, p.VAR_POSITIONAL)
        prefix = {p.VAR_POSITIONAL: "*", p.VAR_KEYWORD: "**"}.get(p.kind, "")
        text = prefix + p.name + ("" if p.annotation is p.empty else f": {annotation_text(p.annotation)}")
        if p.default is not p.empty:
            text += f" = {default(p.default)}"
        parts.append(text)
        following = parameters[index + 1].kind if index + 1 < len(parameters) else None
        if p.kind is p.POSITIONAL_ONLY and following is not p.POSITIONAL_ONLY:
            parts.append("/")
    result = found.return_annotation
    returns = "" if result is found.empty or inspect.isclass(callable) else f" -> {annotation_text(result)}"
    return f"({', '.join(parts)}){returns}"


def annotation_text(annotation: Any) -> str:
    if isinstance(annotation, ForwardRef):
        annotation = annotation.__forward_arg__
    if isinstance(annotation, str):
        return annotation.replace('"', "").replace("'", "")
    return getattr(annotation, "__name__", None) or re.sub(r"\b\w+\.", "", str(annotation))


def default(value: Any) -> str:
    if isinstance(value, (bool, int, float, str, tuple, dict, type(None))):
        return repr(value)
    return "…"  # a default such as a dataclass field's factory is not part of the API


def hooks() -> str:
    found = [(n, v) for n, v in vars(hookspecs).items() if n.startswith("register_")]
    return "\n".join(f"def {name}{signature(hook)}" for name, hook in found)


def sections() -> dict[str, str]:
    """Return the expected sections of docs/api.md, keyed by heading."""
    shown = {f"`{name}`": describe(importlib.import_module(name)) for name in MODULES}
    return {**shown, "Hooks": hooks()}


BLOCK = r"^## {}\n.*?^```text\n(.*?)^```$"


def test_page_lists_exactly_the_public_names_and_signatures() -> None:
    page = PAGE.read_text(encoding="utf-8")
    for heading, expected in sections().items():
        match = re.search(BLOCK.format(re.escape(heading)), page, re.MULTILINE | re.DOTALL)
        assert match, f"docs/api.md has no section {heading}. {REMEDY}"
        assert match[1].strip().splitlines() == expected.splitlines(), REMEDY


def test_every_public_name_has_a_docstring() -> None:
    for module in map(importlib.import_module, MODULES):
        assert module.__doc__
        for name in public_names(module):
            value = getattr(module, name)
            if inspect.isclass(value) or inspect.isfunction(value):
                assert (value.__doc__ or "").strip(), f"{module.__name__}.{name}"


def test_signatures_are_formatted_as_in_the_source() -> None:
    def f(a: int, /, b: str = "x", *, c: tuple[int, ...] = (1,), **d: Any) -> float: ...

    assert signature(f) == "(a: int, /, b: str = 'x', *, c: tuple[int, ...] = (1,), **d: Any) -> float"
    names = describe(ganctl).splitlines()
    assert (
        "class Batch(x: Tensor, y: Tensor | None = None, z: Tensor | None = None, c: Tensor | None = None)"
        in names
    )
    assert "class Loss" in names  # the constructor of torch.nn.Module is not part of the API
    assert any(line.startswith("def train(model: str | None = None, ") for line in names)
    assert (
        "    generator_loss(D: Critic, real: Batch, fake: Batch) -> tuple[Tensor, dict[str, Tensor]]" in names
    )


if __name__ == "__main__":
    text = PAGE.read_text(encoding="utf-8")
    for heading, expected in sections().items():
        pattern = re.compile(
            rf"(^## {re.escape(heading)}\n.*?^```text\n).*?(^```$)", re.MULTILINE | re.DOTALL
        )
        text = pattern.sub(lambda match, new=expected: f"{match[1]}{new}\n{match[2]}", text)  # type: ignore[misc]
    PAGE.write_text(text, encoding="utf-8")
