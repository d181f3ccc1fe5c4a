"""What a plugin may register.

A plugin is a module behind an entry point of the group ``ganctl``. It implements any of these hooks; each
is handed ``register``, bound to the plugin that is being loaded::

    import ganctl

    @ganctl.hookimpl
    def register_losses(register):
        register("my-loss", "my_package.losses:MyLoss", summary="What it does, in one line")

The second argument is the component's *address*, ``"module:attribute"``, imported only when somebody uses
the component, or the callable itself. Prefer the address: ``ganctl --help`` then never waits for torch.
``register`` may get further arguments in later versions, by keyword alone.

A component's options are the parameters of that callable, save those that ganctl fills in by name (named
with each hook below); their types, defaults and ``Args:`` descriptions are what ``ganctl info`` shows.
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
    """``register(name, target, summary="…")``: ``target`` is ``"module:attribute"`` or a callable."""

    def __call__(self, name: str, target: str | Callable[..., Any], *, summary: str) -> None: ...


@hookspec
def register_generators(register: Register) -> None:
    """Generators: ``factory(image, latent, num_classes, **options) -> nn.Module`` with ``G(z, y) -> x``.

    Filled in by name, if the factory has a parameter of that name: ``image`` (:class:`ganctl.ImageShape`),
    ``latent`` (:class:`ganctl.Latent`; ``latent.dim`` is z's length), ``num_classes`` (int, 0 without
    labels). ``z`` is float N×dim, ``y`` int64 N or None, ``x`` float N×C×H×W in [−1, 1].
    """


@hookspec
def register_discriminators(register: Register) -> None:
    """Discriminators: ``factory(image, num_classes, **options) -> nn.Module`` with ``D(x, y) -> N logits``.

    ``latent`` is filled in, too, for one that guesses what was in z. A few answer with something else than
    logits; what, is between them and their loss.
    """


@hookspec
def register_losses(register: Register) -> None:
    """Losses: a :class:`ganctl.Loss` subclass, or a factory of one. ``num_classes``, ``latent`` are filled in."""


@hookspec
def register_datasets(register: Register) -> None:
    """Datasets: ``factory(root, **options)`` returning a :class:`ganctl.Dataset` or :class:`ganctl.Images`.

    ``root`` (:class:`pathlib.Path`) is the ``--data-root``.
    """


@hookspec
def register_optimizers(register: Register) -> None:
    """Optimizers: a :class:`torch.optim.Optimizer` subclass, or a factory of one. ``params`` is filled in."""


@hookspec
def register_augmentations(register: Register) -> None:
    """Augmentations of what D sees: ``factory(image, **options) -> nn.Module`` with ``A(x) -> x``.

    ``image`` is filled in. ``A`` keeps shape and dtype of x, float N×C×H×W in [−1, 1], and is differentiable:
    every x, real or fake, reaches D through it, and so does G's gradient. If it has a method
    ``observe(logits)``, that is called without gradient with D's N logits on each real batch, to adapt;
    the loss must then call D on the reals by themselves.
    """


@hookspec
def register_latents(register: Register) -> None:
    """Latents: a :class:`ganctl.Latent` subclass, or a factory of one; ``sample(n, device, generator)`` draws z.

    Its option for z's length is called ``z_dim``.
    """


@hookspec
def register_trackers(register: Register) -> None:
    """Trackers: ``factory(folder, first_step, config, **options)`` returning a :class:`ganctl.Tracker`.

    Filled in: ``folder`` (:class:`pathlib.Path`, the run folder), ``first_step`` (int: whatever an earlier session
    showed from that step on is void), ``config`` (a dict: every setting of the run).
    """


@hookspec
def register_metrics(register: Register) -> None:
    """Metrics: ``factory(**options)`` returning ``metric(fakes, reals) -> float``, a :class:`ganctl.Metric`.

    ``fakes`` is an iterator of uint8 N×C×H×W batches on the CPU, ``reals`` the :class:`ganctl.Images` trained on.
    """


@hookspec
def register_models(register: Callable[[Model], None]) -> None:
    """Models: ``register(ganctl.Model(name=…, …))``, a recipe of registered components."""


@hookspec
def register_commands(register: Callable[[click.Command], None]) -> None:
    """Commands: ``register(command)`` adds a :class:`click.Command` to ``ganctl``."""
