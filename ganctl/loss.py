"""What a loss is: two equations over a discriminator, a real batch and a fake one."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor, nn

from ganctl.errors import USAGE, GanctlError

#: D(x, y): float N×C×H×W in [−1, 1], int64 N or None → what the loss expects of it, mostly N logits.
Critic = Callable[[Tensor, "Tensor | None"], Tensor]


class Batch(NamedTuple):
    """N images and what belongs to them.

    ``x`` float N×C×H×W in [−1, 1]; ``y`` int64 N, or None without labels; ``z`` float N×dim, the latents that
    fakes were drawn from, or None for reals.
    """

    x: Tensor
    y: Tensor | None = None
    z: Tensor | None = None


class Loss(nn.Module):
    """The two objectives of a GAN variant, as its paper writes them.

    Both methods return the scalar to minimize and a dict of scalars that are only reported: the terms it is
    made of, and ``"D(x)"`` and ``"D(G(z))"``, the discriminator's mean answer (a probability where it is
    one). They may call ``D`` as often as they need. Whatever else happens in a step is the engine's:
    sampling z, running G, backward, the optimizers.

    A loss must not leave the device (no ``.item()``, no Python branch on a tensor), must not change its
    arguments, and keeps what it remembers between steps in buffers, so that it is checkpointed.
    """

    #: Whether it takes a gradient of D with respect to single images. Batch normalization would mix them.
    penalizes_gradient: bool = False

    #: Whether it compares D's answer with x itself. An augmentation would come between them.
    compares_with_x: bool = False

    def discriminator_loss(self, D: Critic, real: Batch, fake: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        """What D minimizes. ``fake.x`` carries no graph back to G."""
        raise NotImplementedError(f"{type(self).__name__} has no discriminator_loss")

    def generator_loss(self, D: Critic, real: Batch, fake: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        """What G minimizes. D's weights are frozen; the gradient reaches G through ``fake.x``."""
        raise NotImplementedError(f"{type(self).__name__} has no generator_loss")

    def constrain(self, D: nn.Module) -> None:
        """Called after each update of D, without gradient: clip its weights here if the paper does."""


def logits(D: Critic, batch: Batch) -> Tensor:
    """D's N logits for the N images of ``batch``, in float32 at least: bfloat16 is too coarse for their mean.

    Raises:
        GanctlError: D answers with something else, as the discriminators of a few variants do.
    """
    answer = D(batch.x, batch.y)
    if not isinstance(answer, Tensor) or answer.ndim != 1:
        shape = "×".join(map(str, answer.shape)) if isinstance(answer, Tensor) else type(answer).__name__
        raise GanctlError(
            f"This loss takes one logit an image, but the discriminator answered {len(batch.x)} images with {shape}.",
            "Choose the loss that belongs to this discriminator, or one of the usual discriminators.",
            status=USAGE,
        )
    return answer.to(torch.promote_types(answer.dtype, torch.float32))
