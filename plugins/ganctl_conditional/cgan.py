"""Fully connected networks that are told the label: those of PyTorch-GAN's cgan.py."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ganctl import USAGE, GanctlError, ImageShape, Latent, sizes
from ganctl_conditional.labels import classes

SLOPE = 0.2


class Generator(nn.Module):
    """Mirza & Osindero 2014 (arXiv:1411.1784): z and an embedding of the label, side by side, through an MLP.

    Hidden layers with batch normalization, in all but the first, and leaky ReLU 0.2; tanh. ``forward`` takes z, float
    N×``latent.dim``, and y, int64 N, and returns float N×C×H×W in [−1, 1].

    Args:
        hidden: width of each hidden layer, from z to the image.
        embedding: length of the label's embedding.
        batch_norm_eps: added to the batch variance. PyTorch-GAN's nets have 0.8.

    Raises:
        GanctlError: data without labels, or an option out of its range.
    """

    def __init__(
        self,
        image: ImageShape,
        latent: Latent,
        num_classes: int,
        hidden: tuple[int, ...] = (128, 256, 512, 1024),
        embedding: int = 10,
        batch_norm_eps: float = 1e-5,
    ) -> None:
        super().__init__()
        _check("cgan generator", hidden, embedding)
        if not batch_norm_eps > 0:
            raise GanctlError(
                f"The cgan generator's batch_norm_eps is {batch_norm_eps}: it must be above 0.",
                "torch's default is 1e-5.",
                status=USAGE,
            )
        self.image = image
        self.embedding = nn.Embedding(classes("cgan generator", num_classes), embedding)
        layers: list[nn.Module] = []
        inputs = embedding + latent.dim
        for number, width in enumerate(hidden):
            layers.append(nn.Linear(inputs, width))
            if number > 0:
                layers.append(nn.BatchNorm1d(width, eps=batch_norm_eps))
            layers.append(nn.LeakyReLU(SLOPE))
            inputs = width
        layers += [nn.Linear(inputs, image.channels * image.height * image.width), nn.Tanh()]
        self.layers = nn.Sequential(*layers)

    def forward(self, z: Tensor, y: Tensor) -> Tensor:
        return self.layers(torch.cat([self.embedding(y), z], 1)).view(len(z), *self.image)


class Discriminator(nn.Module):
    """Mirza & Osindero 2014 (arXiv:1411.1784): the image and an embedding of the label, side by side, through an MLP.

    Leaky ReLU 0.2 after each hidden layer, and dropout before it in all but the first. ``forward`` takes x, float
    N×C×H×W in [−1, 1], and y, int64 N, and returns float N.

    Args:
        hidden: width of each hidden layer, from the image to the logit.
        embedding: length of the label's embedding.
        dropout: share of a layer that is dropped, at least 0 and below 1.

    Raises:
        GanctlError: data without labels, or an option out of its range.
    """

    def __init__(
        self,
        image: ImageShape,
        num_classes: int,
        hidden: tuple[int, ...] = (512, 512, 512),
        embedding: int = 10,
        dropout: float = 0.4,
    ) -> None:
        super().__init__()
        _check("cgan discriminator", hidden, embedding)
        if not 0 <= dropout < 1:
            raise GanctlError(
                f"dropout is {dropout}: it must be at least 0 and below 1.", "Usual is 0.4.", status=USAGE
            )
        self.embedding = nn.Embedding(classes("cgan discriminator", num_classes), embedding)
        layers: list[nn.Module] = []
        inputs = embedding + image.channels * image.height * image.width
        for number, width in enumerate(hidden):
            layers.append(nn.Linear(inputs, width))
            if number > 0:
                layers.append(nn.Dropout(dropout))
            layers.append(nn.LeakyReLU(SLOPE))
            inputs = width
        self.layers = nn.Sequential(*layers, nn.Linear(inputs, 1))

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        return self.layers(torch.cat([x.flatten(1), self.embedding(y)], 1)).squeeze(1)


def _check(what: str, hidden: tuple[int, ...], embedding: int) -> None:
    sizes.at_least(what, 1, embedding=embedding)
    if not hidden or min(hidden) < 1:
        raise GanctlError(
            f"hidden is {tuple(hidden)}: it needs one width of at least 1 a layer.",
            "Write it as hidden=512,256 for two hidden layers.",
            status=USAGE,
        )
