"""The base class of losses, and the batches and logits that losses use."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from ganctl.errors import USAGE, GanctlError

#: D as a loss calls it: ``D(x, y, c)`` → the output that the loss expects, in most cases N logits. x is float N×C×H×W
#: in [−1, 1], y int64 N or None, c a condition N×… or None. In a step, ``D.module`` is the network, for its own
#: methods, and ``D.augment(x)`` is x as the network sees it with ``--augment``.
Critic = Callable[..., Any]

#: G as a loss calls it if it requests G: ``G(z, y, c)`` → float32 N×C×H×W. ``G.module`` is the network.
Generator = Callable[..., Tensor]


class Batch(NamedTuple):
    """N images with their labels, latents and conditions.

    Attributes:
        x: images, float N×C×H×W in [−1, 1].
        y: labels, int64 N, −1 for an image without a label; None without labels.
        z: latents that G generated the images from, float N×dim; None for real images.
        c: conditions of the dataset, N×…; None without conditions. Generated images have those of a real batch.
    """

    x: Tensor
    y: Tensor | None = None
    z: Tensor | None = None
    c: Tensor | None = None


class Loss(nn.Module):
    """Base class of losses: the objectives of D and G, as the paper states them.

    Both methods return the scalar to minimize and a dict of scalars that are only reported: the terms of the
    loss, and ``"D(x)"`` and ``"D(G(z))"``, the mean outputs of D for real and generated images (as probabilities if
    the loss defines them). They may call ``D`` any number of times. The engine does the rest of a step: it samples z,
    runs G, calls backward and steps the optimizers.

    A method whose signature names ``G`` receives the generator: ``discriminator_loss(self, D, real, fake, G)``,
    ``generator_loss(self, D, real, fake, G)``, ``constrain(self, D, G)``. ``G(z, y, c)`` runs G under the precision of
    the run, and ``G.module`` has G's own methods. ``backward`` of the loss of D reaches only D's weights.

    A loss must not copy values from the device (no ``.item()``, no Python branch on a tensor) and must not change its
    arguments. State that is kept between steps must be in buffers, so that it is part of checkpoints.
    """

    #: The loss uses gradients of D with respect to single images, which batch normalization would mix.
    penalizes_gradient: bool = False

    #: The loss accepts the label −1 of an image without a label.
    handles_unlabeled: bool = False

    #: The loss uses second derivatives of G, so that torch.compile cannot be used for G.
    penalizes_generator: bool = False

    #: The loss compares the output of D with x, so x must not be augmented.
    compares_with_x: bool = False

    def discriminator_loss(self, D: Critic, real: Batch, fake: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        """Return the loss of D and the values to report. ``fake.x`` is detached from G."""
        raise NotImplementedError(f"{type(self).__name__} does not define discriminator_loss")

    def generator_loss(self, D: Critic, real: Batch, fake: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        """Return the loss of G and the values to report. D's weights are frozen; ``fake.x`` has the graph of G."""
        raise NotImplementedError(f"{type(self).__name__} does not define generator_loss")

    def constrain(self, D: nn.Module) -> None:
        """Constrain the weights of D, for example by clipping. Called without gradients after each update of D."""


def logits(D: Critic, batch: Batch) -> Tensor:
    """Return the N logits of D for the N images of ``batch``.

    bfloat16 is converted to float32, because its precision is too low for a mean.

    Raises:
        GanctlError: the output of D is not one logit per image, as for the discriminators of a few variants.
    """
    output = D(batch.x, batch.y) if batch.c is None else D(batch.x, batch.y, c=batch.c)
    if not isinstance(output, Tensor) or output.ndim != 1:
        shape = "×".join(map(str, output.shape)) if isinstance(output, Tensor) else type(output).__name__
        raise GanctlError(
            f"The loss or a regularizer needs one logit per image, but the discriminator returned {shape} for "
            f"{len(batch.x)} images.",
            "Choose the loss that belongs to this discriminator without the regularizer, or a discriminator that "
            "returns logits.",
            status=USAGE,
        )
    return output.to(torch.promote_types(output.dtype, torch.float32))
