"""The engine: one step, which trains every model, and everything that the step changes.

Nothing in a step leaves the device, branches on a tensor or changes a shape. The same code therefore runs eagerly and
is captured as one graph (:mod:`ganctl.training.graph.warmup_and_replay`).
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from ganctl.errors import GanctlError
from ganctl.latent import Latent
from ganctl.loss import Batch, Loss
from ganctl.training import optimizers

Report = dict[str, Tensor]


class Engine:
    """G, D and everything else that a step changes.

    Args:
        augment: augmentation of every x that D sees, real or fake, in the D step and the G step; None for none.
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
        augment: nn.Module | None = None,
        n_critic: int = 1,
        ema: float | None = None,
        precision: str = "fp32",
        device: torch.device,
    ) -> None:
        self.G, self.D, self.loss, self.latent = G.train(), D.train(), loss, latent
        self.g_optimizer, self.d_optimizer = g_optimizer, d_optimizer
        self.batch_size, self.n_critic, self.precision, self.device = batch_size, n_critic, precision, device
        self.augment = augment
        self.critic = D if augment is None else _Augmented(D, augment)
        self.G_ema = None if ema is None else copy.deepcopy(G).eval().requires_grad_(False)
        self._ema_weight = torch.zeros((), device=device)  # a tensor, so that it can change between replays
        self.ema = ema
        self._d_weights = [weight for weight in D.parameters() if weight.requires_grad]

    def step(self, next_batch: Callable[[], Batch]) -> Report:
        """Update D ``n_critic`` times, then G once, and return reported values as scalars on the device.

        Each D update uses a fresh real batch and fresh z. The G update reuses the last fakes and their graph: G has not
        changed since, so it runs forward only once for both updates.
        """
        for i in range(self.n_critic):
            real = next_batch()
            fake = self.generate(real.y, keep_graph=i == self.n_critic - 1)
            d_report = self.update_discriminator(real, fake)
        g_report = self.update_generator(real, fake)
        self.update_average()
        return {
            **g_report,
            **d_report,
        }  # D's value takes precedence: its D(G(z)) is from before the update of D

    def generate(self, y: Tensor | None, *, keep_graph: bool) -> Batch:
        """Return one batch of fakes with labels ``y``, with or without the graph for a backward pass to G."""
        z = self.latent.sample(self.batch_size, self.device)
        with torch.set_grad_enabled(keep_graph), self._autocast():
            x = self.G(z, y)
        return Batch(x.float(), y, z)

    def update_discriminator(self, real: Batch, fake: Batch) -> Report:
        if isinstance(self.critic, _Augmented):
            self.critic.observe_on(real.x)
        with self._autocast():
            result = self.loss.discriminator_loss(self.critic, real, fake._replace(x=fake.x.detach()))
            loss, report = _checked(self.loss, result)
        self.d_optimizer.zero_grad(set_to_none=True)
        loss.backward()
        self.d_optimizer.step()
        with torch.no_grad():
            self.loss.constrain(self.D)
        return {"d_loss": loss.detach(), **_detached(report)}

    def update_generator(self, real: Batch, fake: Batch) -> Report:
        with _frozen(self._d_weights):  # saves the half of D's backward pass that computes their gradients
            with self._autocast():
                loss, report = _checked(self.loss, self.loss.generator_loss(self.critic, real, fake))
            self.g_optimizer.zero_grad(set_to_none=True)
            loss.backward()
            self.g_optimizer.step()
        return {"g_loss": loss.detach(), **_detached(report)}

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
        tensors = [t for module in (self.G, self.D, self.loss) for t in module.state_dict().values()]
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
        if self.augment is not None:
            self.augment.load_state_dict(state["augment"])
        optimizers.load_state_dict(self.g_optimizer, state["g_optimizer"])
        optimizers.load_state_dict(self.d_optimizer, state["d_optimizer"])

    def _autocast(self) -> AbstractContextManager[Any]:
        return torch.autocast(self.device.type, torch.bfloat16, enabled=self.precision == "bf16")


class _Augmented(nn.Module):
    """D behind an augmentation whose ``observe`` method, if any, gets the logits of each real batch once."""

    def __init__(self, D: nn.Module, augment: nn.Module) -> None:
        super().__init__()
        self.D, self.augment = D, augment
        self._observe: Callable[[Tensor], None] = getattr(augment, "observe", lambda logits: None)
        self._address = 0

    def observe_on(self, real: Tensor) -> None:
        """Observe the next logits of ``real``. Its address also identifies detached versions of it."""
        self._address = real.data_ptr()

    def forward(self, x: Tensor, y: Tensor | None = None) -> Any:
        output = self.D(self.augment(x), y)
        if x.data_ptr() == self._address:
            self._address = 0  # some losses call D on the real batch again, in the D step or in the G step
            with torch.no_grad():
                self._observe((output[0] if isinstance(output, tuple) else output).detach())
        return output


def _checked(loss: Loss, result: Any) -> tuple[Tensor, Report]:
    """Return ``result`` of a method of ``loss`` if it is a scalar and a dict."""
    scalar, report = result if isinstance(result, tuple) and len(result) == 2 else (None, None)
    if not (isinstance(scalar, Tensor) and scalar.ndim == 0 and isinstance(report, dict)):
        what = (
            f"a tensor of shape {tuple(scalar.shape)}"
            if isinstance(scalar, Tensor)
            else type(result).__name__
        )
        raise GanctlError(
            f"The loss {type(loss).__name__} returned {what}, not a scalar to minimize and a dict of reported values.",
            "Return both, for example: return loss.mean(), {}",
        )
    return scalar, report


@contextmanager
def _frozen(weights: list[nn.Parameter]) -> Iterator[None]:
    for weight in weights:
        weight.requires_grad_(False)
    try:
        yield
    finally:
        for weight in weights:
            weight.requires_grad_(True)


def _detached(report: Report) -> Report:
    return {name: value.detach() for name, value in report.items()}
