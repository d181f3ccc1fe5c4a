"""Load the dataset and build the engine of a config."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import torch
from torch import nn

from ganctl.config.settings import Config
from ganctl.data import cache
from ganctl.dataset import Dataset, Images
from ganctl.errors import DATA, GanctlError
from ganctl.plugin.registry import Registry
from ganctl.system.environment_errors import require_temporary_folder
from ganctl.system.progress import Reporter, as_callback
from ganctl.training import components
from ganctl.training.engine import Engine
from ganctl.training.incompatible_parts import check_batch_size, check_generator, check_labels, check_loss
from ganctl.training.invalid_components import check_augmentation, check_signatures


def load_data(registry: Registry, config: Config, reporter: Reporter) -> cache.Loaded:
    """Decode the dataset of ``config``, or read it from the cache.

    Raises:
        GanctlError: the data cannot be read, or there is no temporary folder.
    """
    require_temporary_folder()
    root = Path(os.path.expanduser(config.data_root))  # "~" in a TOML file
    dataset = components.build(registry, "dataset", config.data, root=root)
    if not isinstance(dataset, (Dataset, Images)):
        raise GanctlError(
            f"The dataset '{config.data.name}' is a {type(dataset).__name__}, not a ganctl.Dataset or ganctl.Images."
        )
    with as_callback(reporter) as progress:
        loaded = cache.load_images(
            config.data.name, dataset, image_size=config.image_size, progress=progress, log=reporter.say
        )
    if len(loaded.images.x) == 0:
        raise GanctlError(f"The dataset '{config.data.name}' has no images.", status=DATA)
    return loaded._replace(images=loaded.images._replace(flip=dataset.flip))


def make_engine(registry: Registry, config: Config, images: Images, device: torch.device) -> Engine:
    """Build networks, loss and optimizers. Weights are initialized on the CPU and are equal on every device.

    Raises:
        GanctlError: parts of ``config`` are incompatible with each other or with ``images``.
    """
    check_batch_size(config, images)
    data = components.Data(images.shape, count_classes(images), condition_shape(images))
    G = components.make_generator(registry, config, data)
    D = components.make_discriminator(registry, config, data)
    loss = components.make_loss(registry, config, data)
    regularizers = components.make_regularizers(registry, config, data)
    check_signatures(registry, config, loss, regularizers, D)
    check_loss(config, loss, regularizers, D)
    parts: dict[tuple[str, str], nn.Module] = {
        ("generator", config.generator.name): G,
        ("discriminator", config.discriminator.name): D,
        ("loss", config.loss.name): loss,
        **{("regularizer", name): regularizer for name, regularizer in regularizers.items()},
    }
    check_labels(registry, config, images, parts)
    latent = components.make_latent(registry, config.latent, images.shape, config.data_root)
    check_generator(registry, config, G, latent, images)
    augment = None
    if config.augment is not None:
        augment = components.make_augmentation(registry, config.augment, data)
        check_augmentation(registry, config, augment, images)
        augment.to(device)
    for network in (G, D):
        network.to(device)
        if any(weight.ndim == 4 for weight in network.parameters()):
            network.to(memory_format=torch.channels_last)  # convolutions are faster with it, on CPU and GPU
    return Engine(
        G=G,
        D=D,
        loss=loss.to(device),
        regularizers={name: regularizer.to(device) for name, regularizer in regularizers.items()},
        latent=latent,
        augment=augment,
        g_optimizer=components.make_optimizer(registry, config.g_optimizer, G, device),
        d_optimizer=components.make_optimizer(registry, config.d_optimizer, D, device),
        batch_size=config.batch_size,
        n_critic=config.n_critic,
        n_generator=config.n_generator,
        ema=config.ema,
        precision=config.precision,
        device=device,
    )


def compile_networks(engine: Engine, log: Callable[[str], None]) -> None:
    """Compile G and D with torch.compile. Parts that it does not support run as before."""
    import torch._dynamo  # here, because the import takes a second

    torch._dynamo.config.suppress_errors = (
        True  # without a compiler or Triton, fall back to torch's own kernels
    )
    components = (engine.loss, *engine.regularizers.values())
    for name, network, penalized in (
        ("G", engine.G, any(c.penalizes_generator for c in components)),
        ("D", engine.D, any(c.penalizes_gradient for c in components)),
    ):
        if penalized:
            log(
                f"{name} is not compiled: torch.compile does not support the gradient of a gradient, which the loss "
                "or a regularizer takes."
            )
        else:
            network.compile()


def condition_shape(images: Images) -> list[int] | None:
    """Return the shape of the condition of one image; None without conditions."""
    return None if images.c is None else list(images.c.shape[1:])


def count_classes(images: Images) -> int:
    """Return the number of classes; 0 without labels. The label −1 of unlabeled images is not a class."""
    if images.y is None:
        return 0
    return max(len(images.classes), int(images.y.max()) + 1)
