"""Load the dataset and build the engine of a config, and check everything that can be checked before training."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch
from torch import nn

from ganctl.config.settings import Config
from ganctl.data import cache
from ganctl.dataset import Dataset, Images
from ganctl.errors import DATA, USAGE, GanctlError
from ganctl.latent import Latent
from ganctl.loss import Loss
from ganctl.plugin.registry import Registry
from ganctl.system.progress import Reporter, as_callback
from ganctl.training import components
from ganctl.training.devices import preserve_rng
from ganctl.training.engine import Engine


def load_data(registry: Registry, config: Config, reporter: Reporter) -> cache.Loaded:
    """Decode the dataset of ``config``, or read it from the cache."""
    dataset = components.build(registry, "dataset", config.data, root=Path(config.data_root))
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
    _check_batch_size(config, images)
    classes = count_classes(images)
    G = components.make_generator(registry, config, images.shape, classes)
    D = components.make_discriminator(registry, config, images.shape, classes)
    loss = components.make_loss(registry, config, classes)
    _check_loss(config, loss, D)
    latent = components.make_latent(registry, config.latent)
    _check_generator(registry, config, G, latent, images)
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


def _check_batch_size(config: Config, images: Images) -> None:
    if config.batch_size > len(images.x):
        raise GanctlError(
            f"The batch size {config.batch_size} is larger than the dataset, {len(images.x)} images.",
            f"Try --batch-size {max(1, len(images.x) // 4)}.",
            status=USAGE,
        )


def _check_loss(config: Config, loss: Loss, D: nn.Module) -> None:
    if loss.penalizes_gradient and not config.force and (layer := _batch_norm(D)):
        raise GanctlError(
            f"The loss '{config.loss.name}' needs D's gradient separately for each image, but the discriminator "
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


def _check_generator(
    registry: Registry, config: Config, G: nn.Module, latent: Latent, images: Images
) -> None:
    """Generate two images, so that an unsuitable generator is refused before training.

    Raises:
        GanctlError: G raised an exception, or its output does not have the shape of the data.
    """
    z = latent.sample(2, "cpu", torch.Generator().manual_seed(0))
    y = None if images.y is None else torch.zeros(2, dtype=torch.int64)
    origin = registry.get("generator", config.generator.name).origin
    generator = f"The generator '{config.generator.name}' of {origin}"
    try:
        with preserve_rng(torch.device("cpu")), torch.no_grad():
            x = G.eval()(z, y)
    except (GanctlError, MemoryError):
        raise
    except Exception as error:
        raise GanctlError(
            f"{generator} cannot generate two images of {images.shape}: {type(error).__name__}: {error}",
            f"See its options: ganctl info {config.generator.name}",
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


def count_classes(images: Images) -> int:
    """Return the number of classes; 0 without labels."""
    if images.y is None:
        return 0
    return max(len(images.classes), int(images.y.max()) + 1)
