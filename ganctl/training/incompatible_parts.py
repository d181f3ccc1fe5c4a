"""Refuse incompatible parts before training: batch size and data, loss and D, G and data.

For example, a gradient penalty is incompatible with a discriminator that has batch normalization.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import nn

from ganctl.config.settings import Config
from ganctl.dataset import Images
from ganctl.errors import USAGE, GanctlError
from ganctl.latent import Latent
from ganctl.loss import Loss
from ganctl.plugin.registry import Registry
from ganctl.plugin.signatures import requests
from ganctl.regularizer import Regularizer
from ganctl.system.pasteable_commands import ganctl_command
from ganctl.training.devices import preserve_rng
from ganctl.training.network_calls import GeneratorCall


def check_batch_size(config: Config, images: Images) -> None:
    """Raise a GanctlError if a batch is larger than the dataset."""
    if config.batch_size > len(images.x):
        raise GanctlError(
            f"The batch size {config.batch_size} is larger than the dataset, {len(images.x)} images.",
            f"Try --batch-size {max(1, len(images.x) // 4)}.",
            status=USAGE,
        )


def check_loss(config: Config, loss: Loss, regularizers: Mapping[str, Regularizer], D: nn.Module) -> None:
    """Refuse a gradient penalty with batch normalization in D, and an autoencoder's loss with augmentation.

    Raises:
        GanctlError: ``loss`` does not fit ``D`` or the augmentation of ``config``.
    """
    penalizing = [f"loss '{config.loss.name}'"] if loss.penalizes_gradient else []
    penalizing += [f"regularizer '{name}'" for name, r in regularizers.items() if r.penalizes_gradient]
    if penalizing and not config.force and (layer := _batch_norm(D)):
        raise GanctlError(
            f"The {penalizing[0]} needs D's gradient separately for each image, but the discriminator "
            f"'{config.discriminator.name}' mixes the images of a batch ({layer}).",
            "Choose a discriminator without batch normalization (for dcgan: -o discriminator.norm=none), "
            "or add --force to train anyway.",
            status=USAGE,
        )
    if loss.compares_with_x and config.augment is not None:
        raise GanctlError(
            f"The loss '{config.loss.name}' compares the output of D with the image, and --augment changes it.",
            "Train without --augment, or with a loss on logits.",
            status=USAGE,
        )


def check_labels(
    registry: Registry, config: Config, images: Images, parts: Mapping[tuple[str, str], nn.Module]
) -> None:
    """Refuse images without labels if a part needs every label.

    Args:
        parts: networks, loss and regularizers by kind and name. A part takes labels if its factory names
            ``num_classes``, and declares with ``handles_unlabeled = True`` that a label may be −1.

    Raises:
        GanctlError: a part takes labels and does not declare this.
    """
    if images.y is None or not (unlabeled := int((images.y < 0).sum())):
        return
    for (kind, name), part in parts.items():
        takes_labels = requests(registry.get(kind, name).load(), "num_classes")
        if takes_labels and not getattr(part, "handles_unlabeled", False):
            raise GanctlError(
                f"The {kind} '{name}' needs a label for every image, but {unlabeled:,} of {len(images.x):,} images "
                f"of '{config.data.name}' have none.",
                "Label these images, remove them, or choose parts that handle unlabeled images.",
                status=USAGE,
            )


def check_generator(registry: Registry, config: Config, G: nn.Module, latent: Latent, images: Images) -> None:
    """Generate two images, so that an unsuitable generator is refused before training.

    Raises:
        GanctlError: G raised an exception, or its output does not have the shape of the data.
    """
    z = latent.sample(2, "cpu", torch.Generator().manual_seed(0))
    c = None if images.c is None else images.c[:2]
    y = None if images.y is None else torch.zeros(2, dtype=torch.int64)
    origin = registry.get("generator", config.generator.name).origin
    generator = f"The generator '{config.generator.name}' of {origin}"
    try:
        with preserve_rng(torch.device("cpu")), torch.no_grad():
            x = GeneratorCall(G.eval())(z, y, c)
    except (GanctlError, MemoryError):
        raise
    except Exception as error:
        raise GanctlError(
            f"{generator} cannot generate two images of {images.shape}: {type(error).__name__}: {error}",
            f"See its options: {ganctl_command('info', config.generator.name, plugins=registry.files)}",
        ) from error
    finally:
        G.train()
    expected = (2, *images.shape)
    if not isinstance(x, torch.Tensor) or tuple(x.shape) != expected:
        output = f"a tensor of shape {tuple(x.shape)}" if isinstance(x, torch.Tensor) else type(x).__name__
        raise GanctlError(
            f"{generator} returned {output} instead of two images {expected}.",
            "G(z, y) must return a float tensor N×C×H×W.",
        )


def _batch_norm(D: nn.Module) -> str | None:
    """Return the type of a layer of D that makes the logit of an image depend on its batch, or None."""
    found = [type(m).__name__ for m in D.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm)]
    return found[0] if found else None
