"""Load the dataset and build the engine of a config."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import torch

from ganctl.config.settings import Config
from ganctl.data import cache
from ganctl.dataset import Dataset, Images
from ganctl.errors import DATA, GanctlError
from ganctl.plugin.registry import Registry
from ganctl.system.environment_errors import require_temporary_folder
from ganctl.system.progress import Reporter, as_callback
from ganctl.training import components
from ganctl.training.engine import Engine
from ganctl.training.incompatible_parts import check_batch_size, check_generator, check_loss


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
    classes = count_classes(images)
    G = components.make_generator(registry, config, images.shape, classes)
    D = components.make_discriminator(registry, config, images.shape, classes)
    loss = components.make_loss(registry, config, classes)
    check_loss(config, loss, D)
    latent = components.make_latent(registry, config.latent)
    check_generator(registry, config, G, latent, images)
    augment = None
    if config.augment is not None:
        augment = components.build(registry, "augmentation", config.augment, image=images.shape).to(device)
    for network in (G, D):
        network.to(device)
        if any(weight.ndim == 4 for weight in network.parameters()):
            network.to(memory_format=torch.channels_last)  # convolutions are faster with it, on CPU and GPU
    return Engine(
        G=G,
        D=D,
        loss=loss.to(device),
        latent=latent,
        augment=augment,
        g_optimizer=components.make_optimizer(registry, config.g_optimizer, G.parameters(), device),
        d_optimizer=components.make_optimizer(registry, config.d_optimizer, D.parameters(), device),
        batch_size=config.batch_size,
        n_critic=config.n_critic,
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
    engine.G.compile()
    if engine.loss.penalizes_gradient:
        log(
            "D is not compiled: the loss takes the gradient of a gradient, which torch.compile does not support."
        )
    else:
        engine.D.compile()


def count_classes(images: Images) -> int:
    """Return the number of classes; 0 without labels."""
    if images.y is None:
        return 0
    return max(len(images.classes), int(images.y.max()) + 1)
