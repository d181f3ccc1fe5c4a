from __future__ import annotations

import inspect

from ganctl.plugin import hookspecs
from ganctl.plugin.registry import KINDS


def hooks() -> dict[str, object]:
    return {name: value for name, value in vars(hookspecs).items() if name.startswith("register_")}


def test_every_kind_of_component_has_a_hook() -> None:
    assert set(hooks()) == {f"register_{plural}" for plural in KINDS.values()} | {"register_commands"}


def test_every_hook_takes_register_and_has_a_docstring() -> None:
    for name, hook in hooks().items():
        assert list(inspect.signature(hook).parameters) == ["register"], name  # type: ignore[arg-type]
        assert hook.__doc__, name


def test_example_in_the_docstring_works() -> None:
    """The module's docstring contains an example plugin that users copy."""
    from types import ModuleType

    from ganctl.plugin.discovery import Plugin, register

    text = inspect.cleandoc(hookspecs.__doc__ or "").split("::\n\n")[1].split("\n\nThe second")[0]
    module = ModuleType("my_package")
    exec(compile(inspect.cleandoc(text), "example", "exec"), vars(module))
    plugin = Plugin("mine", "my_package", "my-dist", "1.0")
    register(plugin, module)
    (item,) = plugin.components
    assert (item.kind, item.name, item.origin) == ("loss", "my-loss", "my-dist 1.0")
