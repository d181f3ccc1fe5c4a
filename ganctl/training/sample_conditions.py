"""Conditions for the samples of a G that requests them. They are those of images of the dataset, with their labels.

The sample grid uses the images of ``real.png``, in the same order. As many of their conditions as fit into
``CONDITIONS_LIMIT`` bytes are stored in every checkpoint, so that ``ganctl sample`` needs only the checkpoint.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from ganctl.config.settings import Config
from ganctl.data.pixels import take
from ganctl.dataset import Images
from ganctl.plugin.signatures import requests
from ganctl.runs.checkpoint_schema import CONDITIONS_LIMIT


def takes_conditions(G: nn.Module, images: Images) -> bool:
    """Return whether G requests conditions and the dataset has them."""
    return images.c is not None and requests(G.forward, "c")


def chosen_images(images: Images, n: int, *, seed: int) -> Tensor:
    """Return the indices of at most ``n`` different images, int64. The first indices do not depend on ``n``."""
    return torch.randperm(len(images.x), generator=torch.Generator().manual_seed(seed))[:n]


def in_turn(rows: Tensor, n: int) -> Tensor:
    """Return ``n`` rows: those of ``rows``, repeated from the first if there are fewer."""
    return take(rows, torch.arange(n) % len(rows))


def conditions_and_labels(images: Images, indices: Tensor) -> tuple[Tensor, Tensor | None]:
    """Return the conditions and labels of the images ``indices``, on the CPU."""
    assert images.c is not None
    return take(images.c, indices), None if images.y is None else images.y[indices]


def stored_conditions(G: nn.Module, images: Images, config: Config) -> dict[str, Any] | None:
    """Return ``c`` and ``y`` for a checkpoint, or None if G takes no conditions.

    ``y`` is None without labels, and if one of the images has no label.
    """
    if not takes_conditions(G, images):
        return None
    assert images.c is not None
    fitting = CONDITIONS_LIMIT // max(images.c[:1].nbytes, 1)
    chosen = chosen_images(images, config.samples, seed=config.seed)
    c, y = conditions_and_labels(images, chosen[:fitting])
    return {"c": c, "y": None if y is None or bool((y < 0).any()) else y}
