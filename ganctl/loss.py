"""The base class of losses, and the batches and logits that losses use."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from ganctl.errors import USAGE, GanctlError

#: Callable that losses use as D. ``D(x, y, c)`` returns the output that the loss expects, usually N logits. x is float
#: N×C×H×W in [−1, 1], y is int64 N or None, and c is a condition N×… or None. In a step, ``D.module`` is the network,
#: for access to its own methods, and ``D.augment(x)`` returns the images that the network sees with ``--augment``.
Critic = Callable[..., Any]

#: G, as losses use it if they request it. ``G(z, y, c)`` returns float32 N×C×H×W. ``G.module`` is the network.
Generator = Callable[..., Tensor]


class Batch(NamedTuple):
    """N images with their labels, latents and conditions.

    Attributes:
        x: images, float N×C×H×W in [−1, 1].
        y: labels, int64 N, with −1 for an image without a label; None if there are no labels.
        z: latents from which G generated the images, float N×dim; None for real images.
        c: conditions from the dataset, N×…; None if there are no conditions. Generated images have the conditions of a
            real batch.
    """

    x: Tensor
    y: Tensor | None = None
    z: Tensor | None = None
    c: Tensor | None = None


class Loss(nn.Module):
    """Base class of losses, which define the objectives of D and G as published.

    :meth:`discriminator_loss` and :meth:`generator_loss` return the scalar to minimize and a dict of scalars to report:
    the terms of the loss, and ``"D(x)"`` and ``"D(G(z))"``, the mean outputs of D for real and generated images (as
    probabilities if the loss defines them). They may call ``D`` any number of times. The engine performs the rest of a
    step: it samples z, runs G, calls backward and steps the optimizers.

    A method that has a parameter ``G`` receives the generator: ``discriminator_loss(self, D, real, fake, G)``,
    ``generator_loss(self, D, real, fake, G)``, ``constrain(self, D, G)``. ``G(z, y, c)`` runs G with the run's
    precision, and ``G.module`` has G's own methods. The backward pass of D's loss reaches only D's weights.

    A loss must not copy values from the device (no ``.item()``, no Python branch on a tensor) and must not change its
    arguments. State that is kept between steps must be in buffers, so that it is part of checkpoints.
    """

    #: True if the loss uses gradients of D with respect to single images, which batch normalization would mix.
    penalizes_gradient: bool = False

    #: True if the loss accepts the label −1, which means that an image has no label.
    handles_unlabeled: bool = False

    #: True if the loss uses second derivatives of G, which torch.compile does not support.
    penalizes_generator: bool = False

    #: True if the loss compares the output of D with x, so x must not be augmented.
    compares_with_x: bool = False

    def discriminator_loss(self, D: Critic, real: Batch, fake: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        """Return D's loss and the values to report. ``fake.x`` is detached from G."""
        raise NotImplementedError(f"{type(self).__name__} does not define discriminator_loss")

    def generator_loss(self, D: Critic, real: Batch, fake: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        """Return G's loss and the values to report. D's weights are frozen, and ``fake.x`` is attached to G's graph."""
        raise NotImplementedError(f"{type(self).__name__} does not define generator_loss")

    def constrain(self, D: nn.Module) -> None:
        """Constrain the weights of D, for example by clipping. Called without gradients after each update of D."""


def logits(D: Critic, batch: Batch) -> Tensor:
    """Return the N logits of D for the N images of ``batch``.

    bfloat16 logits are converted to float32 because the precision of bfloat16 is too low for a mean.

    Raises:
        GanctlError: D does not return one logit per image. A few discriminators return other outputs.
    """
    output = D(batch.x, batch.y) if batch.c is None else D(batch.x, batch.y, c=batch.c)
    if not isinstance(output, Tensor) or output.ndim != 1:
        shape = "×".join(map(str, output.shape)) if isinstance(output, Tensor) else type(output).__name__
        raise GanctlError(
            f"The loss or a regularizer needs one logit per image, but the discriminator returned {shape} for "
            f"{len(batch.x)} images.",
            "Choose the loss for this discriminator and omit the regularizer, or choose a discriminator that "
            "returns logits.",
            status=USAGE,
        )
    return output.to(torch.promote_types(output.dtype, torch.float32))
