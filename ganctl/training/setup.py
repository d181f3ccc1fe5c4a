"""From a config to a dataset and an engine, with everything checked that can be before a training begins."""

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
from ganctl.plugin.registry import Registry
from ganctl.system.progress import Reporter, as_callback
from ganctl.training import components
from ganctl.training.devices import rng_state, set_rng_state
from ganctl.training.engine import Engine


def load_data(registry: Registry, config: Config, reporter: Reporter) -> cache.Loaded:
    """The decoded dataset of ``config``."""
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
        raise GanctlError(f"The dataset '{config.data.name}' holds no image.", status=DATA)
    return loaded._replace(images=loaded.images._replace(flip=dataset.flip))


def make_engine(registry: Registry, config: Config, images: Images, device: torch.device) -> Engine:
    """Networks, loss and optimizers of ``config``. Weights are drawn on the CPU: the same on every device.

    Raises:
        GanctlError: something in ``config`` does not go together, or not with ``images``.
    """
    if config.batch_size > len(images.x):
        raise GanctlError(
            f"The batch size {config.batch_size} is larger than the dataset, {len(images.x)} images.",
            f"Try --batch-size {max(1, len(images.x) // 4)}.",
            status=USAGE,
        )
    classes = count_classes(images)
    G = components.make_generator(registry, config, images.shape, classes)
    D = components.make_discriminator(registry, config, images.shape, classes)
    loss = components.make_loss(registry, config, classes)
    if loss.penalizes_gradient and not config.force and (normed := _batch_norm(D)):
        raise GanctlError(
            f"The loss '{config.loss.name}' takes D's gradient for each image on its own, but the discriminator "
            f"'{config.discriminator.name}' mixes the images of a batch ({normed}).",
            "Give a discriminator without batch normalization, as -o discriminator.norm=none for dcgan; "
            "or --force to try it all the same.",
            status=USAGE,
        )
    latent = components.make_latent(registry, config.latent)
    _check_generator(registry, config, G, latent, images)
    augment = None
    if config.augment is not None:
        if loss.compares_with_x:
            raise GanctlError(
                f"The loss '{config.loss.name}' compares D's answer with the image, and --augment changes what D sees.",
                "Train without --augment, or with a loss on logits.",
                status=USAGE,
            )
        augment = components.build(registry, "augmentation", config.augment, image=images.shape).to(device)
    for network in (G, D):
        network.to(device)
        if any(weight.ndim == 4 for weight in network.parameters()):
            network.to(memory_format=torch.channels_last)  # convolutions run faster so, on CPU and GPU
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


def compile_networks(engine: Engine, say: Callable[[str], None]) -> None:
    """Have torch.compile make kernels for G and D; what it cannot do runs as before."""
    import torch._dynamo  # only now: it takes a second

    torch._dynamo.config.suppress_errors = True  # no compiler, no Triton: torch's own kernels
    engine.G.compile()
    if engine.loss.penalizes_gradient:
        say(
            "D is not compiled: the loss takes the gradient of a gradient, which torch.compile does not support."
        )
    else:
        engine.D.compile()


def _check_generator(
    registry: Registry, config: Config, G: nn.Module, latent: Latent, images: Images
) -> None:
    """Raise a GanctlError if G cannot draw what the data is made of: found out here and not in a training."""
    z = latent.sample(2, "cpu", torch.Generator().manual_seed(0))
    y = None if images.y is None else torch.zeros(2, dtype=torch.int64)
    whose = f"The generator '{config.generator.name}' of {registry.get('generator', config.generator.name).origin}"
    state = rng_state(torch.device("cpu"))
    try:
        with torch.no_grad():
            x = G.eval()(z, y)
    except (GanctlError, MemoryError):
        raise
    except Exception as error:
        raise GanctlError(
            f"{whose} cannot draw two pictures of {images.shape}: {type(error).__name__}: {error}",
            f"Its options: ganctl info {config.generator.name}",
        ) from error
    finally:
        set_rng_state(state, torch.device("cpu"))
        G.train()
    expected = (2, *images.shape)
    if not isinstance(x, torch.Tensor) or tuple(x.shape) != expected:
        drew = f"a tensor of shape {tuple(x.shape)}" if isinstance(x, torch.Tensor) else type(x).__name__
        raise GanctlError(
            f"{whose} drew {drew} where two pictures are {expected}.", "G(z, y) returns float N×C×H×W."
        )


def _batch_norm(D: nn.Module) -> str | None:
    """The kind of a layer of D that makes an image's answer depend on the rest of its batch."""
    found = [type(m).__name__ for m in D.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm)]
    return found[0] if found else None


def count_classes(images: Images) -> int:
    """How many classes the labels have; 0 without labels."""
    if images.y is None:
        return 0
    return max(len(images.classes), int(images.y.max()) + 1)
