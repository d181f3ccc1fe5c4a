"""The fully connected conditional networks of PyTorch-GAN's cgan.py."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ganctl import USAGE, GanctlError, ImageShape, Latent, sizes
from ganctl_conditional.labels import require_labels

SLOPE = 0.2


class Generator(nn.Module):
    """Mirza & Osindero 2014 (arXiv:1411.1784): an MLP of z concatenated with a label embedding.

    Hidden layers have batch normalization (except the first) and leaky ReLU 0.2; the output layer has tanh. ``forward``
    takes z, float N×``latent.dim``, and y, int64 N, and returns float N×C×H×W in [−1, 1].

    Args:
        hidden: width of each hidden layer, from z to the image.
        embedding: number of dimensions of the label embedding.
        batch_norm_eps: value added to the batch variance for numerical stability. PyTorch-GAN's networks use 0.8.

    Raises:
        GanctlError: if the data has no labels, or an option is out of range.
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
                "Use, for example, 1e-5, PyTorch's default.",
                status=USAGE,
            )
        self.image = image
        self.embedding = nn.Embedding(require_labels("cgan generator", num_classes), embedding)
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
    """Mirza & Osindero 2014 (arXiv:1411.1784): an MLP of the image concatenated with a label embedding.

    Hidden layers have dropout (except the first) and leaky ReLU 0.2. ``forward`` takes x, float N×C×H×W in [−1, 1], and
    y, int64 N, and returns float N.

    Args:
        hidden: width of each hidden layer, from the image to the logit.
        embedding: number of dimensions of the label embedding.
        dropout: probability of dropping a unit, in [0, 1).

    Raises:
        GanctlError: if the data has no labels, or an option is out of range.
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
                f"dropout is {dropout}: it must be in [0, 1).", "Use 0.4, a common value.", status=USAGE
            )
        self.embedding = nn.Embedding(require_labels("cgan discriminator", num_classes), embedding)
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


def _check(component: str, hidden: tuple[int, ...], embedding: int) -> None:
    sizes.at_least(component, 1, embedding=embedding)
    if not hidden or min(hidden) < 1:
        raise GanctlError(
            f"hidden is {tuple(hidden)}: it must contain one width of at least 1 per layer.",
            "For two hidden layers, use, for example, hidden=512,256.",
            status=USAGE,
        )
