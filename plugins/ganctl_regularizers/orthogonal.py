"""Orthogonality of G's weights."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrize import ParametrizationList, is_parametrized

from ganctl import Batch, Critic, Generator, Regularizer
from ganctl_regularizers.scalar_options import register_weights

TRANSPOSED = (
    nn.ConvTranspose1d,
    nn.ConvTranspose2d,
    nn.ConvTranspose3d,
)  # their weights are inputs × outputs


class Orthogonal(Regularizer):
    """Brock et al. 2019 (arXiv:1809.11096), equation 3: β·Σ‖WᵀW ⊙ (1 − I)‖² over the weights of G, added to G's loss.

    W has one column per output of a layer. Embeddings and vectors, such as biases and gains, are not included.
    Reported value: ``orthogonal``, without β.

    Args:
        weight: β, weight of the term.
    """

    weight: Tensor

    def __init__(self, weight: float = 1e-4) -> None:
        super().__init__()
        register_weights(self, weight=weight)

    def generator_term(
        self, D: Critic, real: Batch, fake: Batch, G: Generator
    ) -> tuple[Tensor, dict[str, Tensor]]:
        with torch.autocast(fake.x.device.type, enabled=False):
            module = G.module  # type: ignore[attr-defined]
            total = torch.stack([_off_diagonal(weight) for weight in _matrices(module)]).sum()
        return self.weight * total, {"orthogonal": total}


def _matrices(module: nn.Module) -> list[Tensor]:
    """Return the weights of all layers except embeddings as matrices: outputs × inputs."""
    matrices = []
    for layer in module.modules():
        if isinstance(layer, (nn.Embedding, ParametrizationList)):
            continue
        owners = [layer]
        if is_parametrized(layer):  # as with spectral normalization: the weight is in a list of its own
            owners += layer.parametrizations.values()
        for weight in [weight for owner in owners for weight in owner.parameters(recurse=False)]:
            if weight.ndim >= 2:
                matrices.append(
                    (weight.transpose(0, 1) if isinstance(layer, TRANSPOSED) else weight).flatten(1)
                )
    return matrices


def _off_diagonal(matrix: Tensor) -> Tensor:
    """Return the sum of the squared products of different rows of ``matrix``, a scalar."""
    products = matrix @ matrix.T
    return (products - torch.diag(products.diagonal())).square().sum()
