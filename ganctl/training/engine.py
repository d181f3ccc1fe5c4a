"""The engine: one step, which trains every model, and everything that the step changes.

Nothing in a step leaves the device, branches on a tensor or changes a shape. The same code therefore runs eagerly and
is captured as one graph (:mod:`ganctl.training.graph.warmup_and_replay`).
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor, nn

from ganctl.latent import Latent
from ganctl.loss import Batch, Loss
from ganctl.regularizer import Regularizer
from ganctl.training import optimizers
from ganctl.training.network_calls import DiscriminatorCall, GeneratorCall
from ganctl.training.objectives import Due, Objectives, Report


class Engine:
    """G, D and everything else that a step changes.

    Args:
        regularizers: terms that are added to the losses, by name.
        augment: augmentation of every x that D sees, real or fake, in the D step and the G step; None for none.
        n_critic: updates of D per step; ``n_generator``: updates of G per step.
        ema: half-life of the averaged generator in images; None for no average.
        precision: ``"fp32"``, ``"tf32"`` (a global flag of torch that the training loop sets) or ``"bf16"`` (autocast).
    """

    def __init__(
        self,
        *,
        G: nn.Module,
        D: nn.Module,
        loss: Loss,
        latent: Latent,
        g_optimizer: torch.optim.Optimizer,
        d_optimizer: torch.optim.Optimizer,
        batch_size: int,
        regularizers: Mapping[str, Regularizer] = MappingProxyType({}),
        augment: nn.Module | None = None,
        n_critic: int = 1,
        n_generator: int = 1,
        ema: float | None = None,
        precision: str = "fp32",
        device: torch.device,
    ) -> None:
        self.G, self.D, self.loss, self.latent = G.train(), D.train(), loss, latent
        self.g_optimizer, self.d_optimizer = g_optimizer, d_optimizer
        self.regularizers = dict(regularizers)
        self.batch_size, self.precision, self.device = batch_size, precision, device
        self.n_critic, self.n_generator = n_critic, n_generator
        self.augment = augment
        self.G_ema = None if ema is None else copy.deepcopy(G).eval().requires_grad_(False)
        self._ema_weight = torch.zeros((), device=device)  # a tensor, so that it can change between replays
        self.ema = ema
        self._d_weights = [weight for weight in D.parameters() if weight.requires_grad]
        self._generator, self._discriminator = GeneratorCall(G), DiscriminatorCall(D, augment)
        self._objectives = Objectives(loss, self.regularizers, self._generator, self._discriminator)

    def due(self, step: int) -> Due:
        """Return the names of the regularizers whose terms are evaluated in the step after ``step`` steps."""
        return tuple(name for name, r in self.regularizers.items() if step % r.every == 0)

    def step(self, next_batch: Callable[[], Batch], due: Due = ()) -> Report:
        """Update D ``n_critic`` times, then G ``n_generator`` times, and return reported values, on the device.

        Each D update uses a fresh real batch and fresh z. The first G update reuses the last fakes and their graph: G
        has not changed since, so it runs forward only once for both updates. Every further G update uses fresh z.

        Args:
            next_batch: function that returns a batch of reals.
            due: names of the regularizers whose terms are added to the losses.
        """
        for i in range(self.n_critic):
            real = next_batch()
            fake = self.generate(real, keep_graph=i == self.n_critic - 1)
            d_report = self.update_discriminator(real, fake, due)
        for i in range(self.n_generator):
            if i:
                fake = self.generate(real, keep_graph=True)
            g_report = self.update_generator(real, fake, due)
        self.update_average()
        return {
            **g_report,
            **d_report,
        }  # D's value takes precedence: its D(G(z)) is from before the update of D

    def generate(self, real: Batch, *, keep_graph: bool) -> Batch:
        """Return fakes with the labels and conditions of ``real``, with or without the graph to G's weights."""
        z = self.latent.sample(self.batch_size, self.device)
        with torch.set_grad_enabled(keep_graph), self._autocast():
            x = self._generator(z, real.y, real.c)
        return Batch(x, real.y, z, real.c)

    def update_discriminator(self, real: Batch, fake: Batch, due: Due = ()) -> Report:
        with self._autocast():
            loss, report = self._objectives.of_discriminator(real, fake._replace(x=fake.x.detach()), due)
        self.d_optimizer.zero_grad(set_to_none=True)
        loss.backward()
        self.d_optimizer.step()
        with torch.no_grad():
            self._objectives.constrain(self.D)
        return report

    def update_generator(self, real: Batch, fake: Batch, due: Due = ()) -> Report:
        with _frozen(self._d_weights):  # saves the half of D's backward pass that computes their gradients
            with self._autocast():
                loss, report = self._objectives.of_generator(real, fake, due)
            self.g_optimizer.zero_grad(set_to_none=True)
            loss.backward()
            self.g_optimizer.step()
        return report

    @torch.no_grad()
    def update_average(self) -> None:
        if self.G_ema is None:
            return
        for average, weight in zip(self.G_ema.parameters(), self.G.parameters(), strict=True):
            average.lerp_(weight, self._ema_weight)
        for average_buffer, buffer in zip(self.G_ema.buffers(), self.G.buffers(), strict=True):
            average_buffer.copy_(buffer)

    @property
    def images_per_step(self) -> int:
        """Number of real images that D sees in a step."""
        return self.batch_size * self.n_critic

    @property
    def ema(self) -> float | None:
        """Half-life of the averaged generator in images."""
        return self._ema

    @ema.setter
    def ema(self, half_life: float | None) -> None:
        self._ema = half_life
        self._ema_weight.fill_(1 - 0.5 ** (self.batch_size / half_life) if half_life else 1)

    @property
    def sampler(self) -> nn.Module:
        """Generator for samples: the averaged generator if there is one, otherwise G."""
        return self.G if self.G_ema is None else self.G_ema

    def is_finite(self) -> bool:
        """Return whether all weights, buffers and optimizer states are finite. Reads values: not for use in a step."""
        modules = (self.G, self.D, self.loss, *self.regularizers.values())
        tensors = [tensor for module in modules for tensor in module.state_dict().values()]
        for optimizer in (self.g_optimizer, self.d_optimizer):
            tensors += [
                t for state in optimizer.state.values() for t in state.values() if isinstance(t, Tensor)
            ]
        return bool(torch.stack([t.isfinite().all() for t in tensors if t.is_floating_point()]).all())

    def state_dict(self) -> dict[str, Any]:
        return {
            "G": self.G.state_dict(),
            "D": self.D.state_dict(),
            "G_ema": None if self.G_ema is None else self.G_ema.state_dict(),
            "loss": self.loss.state_dict(),
            "regularizers": {name: r.state_dict() for name, r in self.regularizers.items()},
            "augment": None if self.augment is None else self.augment.state_dict(),
            "g_optimizer": optimizers.state_dict(self.g_optimizer),
            "d_optimizer": optimizers.state_dict(self.d_optimizer),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.G.load_state_dict(state["G"])
        self.D.load_state_dict(state["D"])
        if self.G_ema is not None:
            self.G_ema.load_state_dict(state["G_ema"])
        self.loss.load_state_dict(state["loss"])
        for name, regularizer in self.regularizers.items():
            regularizer.load_state_dict(state["regularizers"][name])
        if self.augment is not None:
            self.augment.load_state_dict(state["augment"])
        optimizers.load_state_dict(self.g_optimizer, state["g_optimizer"])
        optimizers.load_state_dict(self.d_optimizer, state["d_optimizer"])

    def _autocast(self) -> AbstractContextManager[Any]:
        return torch.autocast(self.device.type, torch.bfloat16, enabled=self.precision == "bf16")


@contextmanager
def _frozen(weights: list[nn.Parameter]) -> Iterator[None]:
    for weight in weights:
        weight.requires_grad_(False)
    try:
        yield
    finally:
        for weight in weights:
            weight.requires_grad_(True)
