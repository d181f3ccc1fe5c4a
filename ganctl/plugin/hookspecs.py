"""Hooks that a plugin can implement.

A plugin is a module specified by an entry point in the group ``ganctl``. The module implements any of these hooks.
Each hook receives a function ``register`` that is bound to the plugin being loaded::

    import ganctl

    @ganctl.hookimpl
    def register_losses(register):
        register("my-loss", "my_package.losses:MyLoss", summary="A description in one line")

The second argument is the component's *address*, ``"module:attribute"``, or the callable itself. An address is
imported only when the component is used. Prefer an address, so that ``ganctl --help`` does not import torch.
Later versions may add more arguments to ``register``, but only as keyword arguments.

A component's options are the parameters of that callable, except for parameters that ganctl fills in by name (listed
for each hook below). ``ganctl info`` shows the types and defaults of options and their descriptions under ``Args:``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import pluggy

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    import click

    from ganctl.recipe import Model

hookspec = pluggy.HookspecMarker("ganctl")
hookimpl = pluggy.HookimplMarker("ganctl")


class Register(Protocol):
    """A function ``register(name, target, summary="…")``. ``target`` is ``"module:attribute"`` or a callable."""

    def __call__(self, name: str, target: str | Callable[..., Any], *, summary: str) -> None: ...


@hookspec
def register_generators(register: Register) -> None:
    """Generators: ``factory(image, latent, num_classes, **options) -> nn.Module`` with ``G(z, y) -> x``.

    The factory's parameters with these names are filled in: ``image`` (:class:`ganctl.ImageShape`), ``latent``
    (:class:`ganctl.Latent`; ``latent.dim`` is the length of z), ``num_classes`` (int, 0 without labels), ``condition``
    (the shape of one condition c in the dataset, a tuple, or None without conditions). ``z`` is float N×dim, ``y`` is
    int64 N or None, and ``x`` is float N×C×H×W in [−1, 1]. If ``forward`` has a parameter ``c``, it receives the
    conditions of the batch, N×…: ``G(z, y, c)``.
    """


@hookspec
def register_discriminators(register: Register) -> None:
    """Discriminators: ``factory(image, num_classes, **options) -> nn.Module`` with ``D(x, y) -> N logits``.

    ``latent`` (for discriminators that predict a part of z) and ``condition`` are also filled in, as for generators.
    If ``forward`` has a parameter ``c``, it receives the conditions: ``D(x, y, c)``. The output need not be logits if
    the loss expects a different output.
    """


@hookspec
def register_losses(register: Register) -> None:
    """Losses: a :class:`ganctl.Loss` subclass, or a factory that returns an instance.

    These parameters are filled in: ``num_classes``, ``latent``, ``image``, ``condition``, ``batch_size``.
    """


@hookspec
def register_regularizers(register: Register) -> None:
    """Regularizers, which add a term to any loss: a :class:`ganctl.Regularizer` subclass or a factory of an instance.

    The filled-in parameters are the same as for losses. ganctl adds the option ``every``.
    """


@hookspec
def register_datasets(register: Register) -> None:
    """Datasets: ``factory(root, **options)`` returning a :class:`ganctl.Dataset` or :class:`ganctl.Images`.

    ``root`` (:class:`pathlib.Path`) is the value of ``--data-root``.
    """


@hookspec
def register_optimizers(register: Register) -> None:
    """Optimizers: a :class:`torch.optim.Optimizer` subclass, or a factory of an instance. ``params`` is filled in."""


@hookspec
def register_augmentations(register: Register) -> None:
    """Augmentations of the images that D sees: ``factory(image, **options) -> nn.Module`` with ``A(x) -> x``.

    ``image`` is filled in. ``A`` must keep the shape and dtype of x, float N×C×H×W in [−1, 1], and must be
    differentiable: all real and fake images that D sees, and G's gradients, pass through ``A``. If ``A`` has a method
    ``observe(logits)``, this method is called without gradients with D's N logits for each real batch, so that the
    augmentation can adapt. In this case, the loss must call D separately for the reals.
    """


@hookspec
def register_latents(register: Register) -> None:
    """Latents: a :class:`ganctl.Latent` subclass or a factory of an instance. ``sample(n, device, generator)`` draws z.

    The option for the length of z must be named ``z_dim``. ``image`` and ``root`` (``--data-root``) are filled in.
    """


@hookspec
def register_trackers(register: Register) -> None:
    """Trackers: ``factory(folder, first_step, config, **options)`` returning a :class:`ganctl.Tracker`.

    These parameters are filled in: ``folder`` (:class:`pathlib.Path`, the run folder), ``first_step`` (int; values
    logged by an earlier session for this step or later are obsolete), and ``config`` (a dict of all run settings).
    """


@hookspec
def register_metrics(register: Register) -> None:
    """Metrics: ``factory(**options)`` returning ``metric(fakes, reals) -> float``, a :class:`ganctl.Metric`.

    ``fakes`` is an iterator over uint8 N×C×H×W batches on the CPU. ``reals`` is the training data, a
    :class:`ganctl.Images`. A metric may return a dict of numbers, and can request ``G``, ``y`` and ``device`` by name.
    """


@hookspec
def register_models(register: Callable[[Model], None]) -> None:
    """Models: ``register(ganctl.Model(name=…, …))`` adds a combination of registered components."""


@hookspec
def register_commands(register: Callable[[click.Command], None]) -> None:
    """Commands: ``register(command)`` adds a :class:`click.Command` to ``ganctl``."""
