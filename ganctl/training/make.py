"""Build any registered component by its name, for plugins that use components of other plugins."""

from __future__ import annotations

import inspect
from typing import Any

from ganctl.errors import USAGE, GanctlError, did_you_mean
from ganctl.plugin import discovery, options
from ganctl.plugin.registry import KINDS
from ganctl.recipe import Spec
from ganctl.training import components


def make(kind: str, name: str, /, **arguments: Any) -> Any:
    """Build the registered component ``name``, for example to use it in a component of another plugin.

    ::

        class Wrapper(torch.nn.Module):
            def __init__(self, image, num_classes):
                super().__init__()
                self.inner = ganctl.make("discriminator", "dcgan", image=image, num_classes=num_classes, width=32)

    Args:
        kind: kind of the component, such as ``"discriminator"``.
        name: name of the component, or ``"distribution:name"``. Components of a single plugin file have no such name;
            use their classes.
        **arguments: the arguments that ganctl fills in for components of this kind, such as ``image``, and options. An
            argument that ganctl fills in is ignored if the component does not request it.

    Raises:
        GanctlError: there is no such component or option, an argument is missing or has the wrong type, or the
            component could not be built.
    """
    known_kinds = [known for known in KINDS if known != "model"]
    if kind not in known_kinds:
        raise GanctlError(f"There is no kind '{kind}'.", did_you_mean(kind, known_kinds), status=USAGE)
    registry = discovery.registry()
    factory = registry.get(kind, name).load()
    filled_in = {key: value for key, value in arguments.items() if key in options.FILLED_IN[kind]}
    given = {key: value for key, value in arguments.items() if key not in filled_in}
    _check_arguments(kind, name, inspect.signature(factory), filled_in, given)
    spec = Spec(name, **options.resolve(kind, name, factory, given))
    chosen = dict(spec.options)
    every = chosen.pop("every", None) if kind == "regularizer" else None
    built = components.build(registry, kind, Spec(name, **chosen), **filled_in)
    if every is not None:
        built.every = every
    return built


def _check_arguments(
    kind: str, name: str, signature: inspect.Signature, filled_in: dict[str, Any], given: dict[str, Any]
) -> None:
    """Raise a GanctlError if an argument that ganctl fills in is missing, or misspelled among the options."""
    reserved = options.FILLED_IN[kind]
    for key in given:
        near = did_you_mean(key, reserved)
        if key not in signature.parameters and near.startswith("Did you"):
            raise GanctlError(f"{kind} '{name}' has no argument '{key}'.", near, status=USAGE)
    for key in reserved:
        parameter = signature.parameters.get(key)
        if parameter is not None and parameter.default is parameter.empty and key not in filled_in:
            raise GanctlError(
                f"{kind} '{name}' needs the argument '{key}'.",
                f"Pass on the argument that ganctl fills in: ganctl.make('{kind}', '{name}', {key}={key})",
                status=USAGE,
            )
