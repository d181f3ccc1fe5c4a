"""The kit for plugin authors: does a component do what ganctl relies on?

In a test, with the name that is registered or the factory itself, and any of its options::

    import ganctl.testing

    def test_my_loss():
        ganctl.testing.assert_loss("my-loss", scale=2.0)

``check_…`` returns a list of :class:`Failure`, each a sentence and a remedy; ``assert_…`` raises an AssertionError
that tells them. ``ganctl plugins check NAME`` does the same from a shell. With pytest there are the fixtures
``ganctl_kit`` and ``ganctl_train`` (:mod:`ganctl.pytest_plugin`).

Components are tried on the CPU, on a few small images. Options make a wide network small: the checks of a network
are the same for any width.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from ganctl.errors import USAGE, GanctlError, did_you_mean
from ganctl.plugin import discovery
from ganctl.plugin.registry import Component, Registry
from ganctl.recipe import ImageShape, Model, Spec
from ganctl.testing import augmentation as _augmentation
from ganctl.testing import dataset as _dataset
from ganctl.testing import loss as _loss
from ganctl.testing import model as _model
from ganctl.testing import networks as _networks
from ganctl.testing import optimizer as _optimizer
from ganctl.testing import registration as _registration
from ganctl.testing.findings import Failure, Findings, NotHere, assert_none, subject

Target = str | Callable[..., Any]
SIZES = (28, 32, 64)

__all__ = [
    "Checked",
    "Failure",
    "assert_augmentation",
    "assert_dataset",
    "assert_discriminator",
    "assert_generator",
    "assert_loss",
    "assert_model",
    "assert_optimizer",
    "assert_plugin",
    "assert_registration",
    "check_augmentation",
    "check_dataset",
    "check_discriminator",
    "check_generator",
    "check_loss",
    "check_model",
    "check_optimizer",
    "check_plugin",
    "check_registration",
    "checks_of",
]


def check_loss(
    loss: Target,
    /,
    *,
    discriminator: Target | Spec | None = None,
    latent: Spec | None = None,
    registry: Registry | None = None,
    **options: Any,
) -> list[Failure]:
    """Both turns of a loss: finite, differentiable for the right network, on the device, inputs unchanged, reported.

    For 1 and 3 channels, under bf16 autocast, with labels and without, and after its state was saved and loaded.

    Args:
        loss: its registered name, or its factory.
        discriminator: one that answers what the loss takes; by default that of a model with this loss, else a
            small one that answers with logits.
        latent: where z comes from, as ``Spec("codes")``.
        registry: where names are looked up; by default what is installed.
        **options: of the loss.
    """
    return _run(
        "loss",
        loss,
        options,
        registry,
        lambda item, found, known: _loss.check(item, known, found, discriminator, latent),
    )


def check_generator(
    generator: Target,
    /,
    *,
    sizes: Sequence[int] = SIZES,
    latent: Spec | None = None,
    registry: Registry | None = None,
    **options: Any,
) -> list[Failure]:
    """A generator: images of the shape that is asked for, from −1 to 1, from weights and z alone.

    Args:
        generator: its registered name, or its factory.
        sizes: heights and widths to try, with 1 and 3 channels. It may refuse some with a GanctlError.
        latent: where z comes from.
        registry: where names are looked up; by default what is installed.
        **options: of the generator.
    """
    return _run(
        "generator",
        generator,
        options,
        registry,
        lambda item, found, known: _networks.check_generator(item, known, found, sizes, latent),
    )


def check_discriminator(
    discriminator: Target,
    /,
    *,
    sizes: Sequence[int] = SIZES,
    loss: str | Spec | None = None,
    registry: Registry | None = None,
    **options: Any,
) -> list[Failure]:
    """A discriminator: a logit an image, twice differentiable, from weights and image alone.

    Args:
        discriminator: its registered name, or its factory.
        sizes: heights and widths to try, with 1 and 3 channels. It may refuse some with a GanctlError.
        loss: the one that understands it, if it answers with something else than logits; by default that of a
            model with this discriminator.
        registry: where names are looked up; by default what is installed.
        **options: of the discriminator.
    """
    return _run(
        "discriminator",
        discriminator,
        options,
        registry,
        lambda item, found, known: _networks.check_discriminator(item, known, found, sizes, loss),
    )


def check_dataset(
    dataset: Target, /, *, root: Path | str | None = None, registry: Registry | None = None, **options: Any
) -> list[Failure]:
    """A dataset: uint8 N×C×H×W, labels in range, the same in the same order every time, a fingerprint that tells.

    Args:
        dataset: its registered name, or its factory.
        root: the data root; by default ``$GANCTL_DATA_ROOT``, else ``data``.
        registry: where names are looked up; by default what is installed.
        **options: of the dataset. Make it small.
    """
    where = Path(root or os.environ.get("GANCTL_DATA_ROOT", "data"))
    try:
        return _run(
            "dataset",
            dataset,
            options,
            registry,
            lambda item, found, known: _dataset.check(item, found, where),
        )
    except NotHere as missing:
        name = dataset if isinstance(dataset, str) else getattr(dataset, "__name__", "")
        remedy = "Give its options, or root= of a folder that holds it."
        return [Failure(f"dataset '{name}'", f"cannot be read here: {missing}", remedy)]


def check_optimizer(
    optimizer: Target, /, *, registry: Registry | None = None, **options: Any
) -> list[Failure]:
    """An optimizer: it changes the weights, and goes on bit for bit after its state was saved and loaded.

    Args:
        optimizer: its registered name, or its factory.
        registry: where names are looked up; by default what is installed.
        **options: of the optimizer; ``lr`` is 1e-3 unless given.
    """
    return _run(
        "optimizer", optimizer, options, registry, lambda item, found, known: _optimizer.check(item, found)
    )


def check_augmentation(
    augmentation: Target, /, *, registry: Registry | None = None, **options: Any
) -> list[Failure]:
    """An augmentation: it keeps shape and dtype, is differentiable and stays on the device.

    Args:
        augmentation: its registered name, or its factory.
        registry: where names are looked up; by default what is installed.
        **options: of the augmentation.
    """
    return _run(
        "augmentation",
        augmentation,
        options,
        registry,
        lambda item, found, known: _augmentation.check(item, found),
    )


def check_model(
    model: str | Model,
    /,
    *,
    image: ImageShape | None = None,
    registry: Registry | None = None,
    **settings: Any,
) -> list[Failure]:
    """A model: its parts exist and fit, and a few steps on random images leave everything finite.

    Args:
        model: its name, or the :class:`ganctl.Model` itself.
        image: what to train on; by default one channel of the model's own size, or of 32×32.
        registry: where names are looked up; by default what is installed.
        **settings: over the model's own, as for :func:`ganctl.train`: ``generator={"width": 8}``.
    """
    known = registry or discovery.registry()
    findings = Findings(f"model '{model if isinstance(model, str) else model.name}'")
    with findings.during("when it is looked up"):
        recipe = known.get("model", model).load() if isinstance(model, str) else model
        for error in _model.missing_parts(recipe, known):
            findings.say(f"names a part that is not there: {error.message}", error.hint)
    if not findings.failures:
        _model.check(model, known, findings, image, settings)
    return findings.failures


def check_registration(module: str, /, name: str = "") -> list[Failure]:
    """The registration of a module with hooks, in a process of its own: hooks, names, summaries, no torch.

    Args:
        module: what the entry point names: ``"my_package"``. It must be importable.
        name: of the plugin, for messages.
    """
    findings = Findings(f"plugin '{name or module}'")
    _registration.check(name or module, module, findings)
    return findings.failures


class Checked(NamedTuple):
    """What was looked at: ``what`` in words; ``note``: why it was not, if it was not."""

    what: str
    failures: list[Failure]
    note: str = ""


def check_plugin(name: str, /) -> list[Failure]:
    """Everything that an installed plugin registers, and how it registers it.

    Args:
        name: of a plugin or of a distribution, as ``ganctl plugins`` lists them; or of a component.

    Raises:
        GanctlError: there is none of that name.
    """
    return [failure for checked in checks_of(name) for failure in checked.failures]


def checks_of(
    name: str,
    /,
    *,
    found: discovery.Plugins | None = None,
    single_file: bool = False,
    progress: Callable[[Checked], None] | None = None,
) -> list[Checked]:
    """As :func:`check_plugin`, with what was looked at.

    Args:
        name: as there.
        found: the plugins to look in; by default those that are installed.
        single_file: it is a module without a package, which may import what it likes when it registers.
        progress: called with each result as soon as it is there.
    """
    found = found or discovery.discover()
    done: list[Checked] = []

    def add(checked: Checked) -> None:
        done.append(checked)
        if progress:
            progress(checked)

    wanted = [p for p in found.all if name in (p.name, p.distribution, f"{p.distribution}:{p.name}")]
    for plugin in wanted:
        findings = Findings(f"plugin '{plugin.name}'")
        what = f"registration of the plugin '{plugin.name}' ({plugin.module})"
        if plugin.left_out:
            add(Checked(what, [], plugin.left_out))
            continue
        if single_file:
            _registration.check_error(plugin.error, plugin.module, findings)
        else:
            _registration.check(plugin.name, plugin.module, findings)
        add(Checked(what, findings.failures))
    components = [component for plugin in wanted for component in plugin.components]
    if not wanted:
        components = [
            component
            for plugin in found.all
            for component in plugin.components
            if name in (component.name, f"{component.distribution}:{component.name}")
        ]
    if not wanted and not components:
        names = {other for p in found.all for other in (p.name, p.distribution)}
        raise GanctlError(
            f"There is no plugin, distribution or component '{name}'.",
            f"{did_you_mean(name, names)} See: ganctl plugins. A source tree is given as a path: ./{name}",
            status=USAGE,
        )
    for component in components:
        add(_check_component(component, found.registry))
    return done


_CHECKS: dict[str, Callable[..., list[Failure]]] = {
    "loss": check_loss,
    "generator": check_generator,
    "discriminator": check_discriminator,
    "optimizer": check_optimizer,
    "augmentation": check_augmentation,
    "model": check_model,
}


def _check_component(component: Component, registry: Registry) -> Checked:
    what = f"{component.kind} '{component.name}'"
    name = f"{component.distribution}:{component.name}"
    if component.kind == "dataset":
        findings = Findings(what)
        try:
            with findings.during("when it is imported"):
                root = Path(os.environ.get("GANCTL_DATA_ROOT", "data"))
                item = subject("dataset", name, {}, registry)
                _dataset.check(item, findings, root)
        except NotHere as missing:
            return Checked(what, [], str(missing))
        return Checked(what, findings.failures)
    if component.kind not in _CHECKS:
        return Checked(what, [], f"There is no check for a {component.kind} yet.")
    return Checked(what, _CHECKS[component.kind](name, registry=registry))


def _run(
    kind: str,
    target: Target,
    options: dict[str, Any],
    registry: Registry | None,
    check: Callable[[Any, Findings, Registry], None],
) -> list[Failure]:
    known = registry or discovery.registry()
    name = target if isinstance(target, str) else getattr(target, "__name__", type(target).__name__)
    findings = Findings(f"{kind} '{name.rpartition(':')[2]}'")
    with findings.during("when it is imported"):
        item = subject(kind, target, options, known)
    if not findings.failures:
        check(item, findings, known)
    return findings.failures


def assert_loss(loss: Target, /, **arguments: Any) -> None:
    """Raise an AssertionError with every failure of :func:`check_loss`, which has the arguments."""
    assert_none(check_loss(loss, **arguments))


def assert_generator(generator: Target, /, **arguments: Any) -> None:
    """Raise an AssertionError with every failure of :func:`check_generator`, which has the arguments."""
    assert_none(check_generator(generator, **arguments))


def assert_discriminator(discriminator: Target, /, **arguments: Any) -> None:
    """Raise an AssertionError with every failure of :func:`check_discriminator`, which has the arguments."""
    assert_none(check_discriminator(discriminator, **arguments))


def assert_dataset(dataset: Target, /, **arguments: Any) -> None:
    """Raise an AssertionError with every failure of :func:`check_dataset`, which has the arguments."""
    assert_none(check_dataset(dataset, **arguments))


def assert_optimizer(optimizer: Target, /, **arguments: Any) -> None:
    """Raise an AssertionError with every failure of :func:`check_optimizer`, which has the arguments."""
    assert_none(check_optimizer(optimizer, **arguments))


def assert_augmentation(augmentation: Target, /, **arguments: Any) -> None:
    """Raise an AssertionError with every failure of :func:`check_augmentation`, which has the arguments."""
    assert_none(check_augmentation(augmentation, **arguments))


def assert_model(model: str | Model, /, **arguments: Any) -> None:
    """Raise an AssertionError with every failure of :func:`check_model`, which has the arguments."""
    assert_none(check_model(model, **arguments))


def assert_registration(module: str, /, name: str = "") -> None:
    """Raise an AssertionError with every failure of :func:`check_registration`, which has the arguments."""
    assert_none(check_registration(module, name))


def assert_plugin(name: str, /) -> None:
    """Raise an AssertionError with every failure of :func:`check_plugin`."""
    assert_none(check_plugin(name))
