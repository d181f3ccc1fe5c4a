"""The fade-in of progressive growing (Karras et al. 2018, arXiv:1710.10196), for one doubling of the resolution.

Both networks mix the path of the low resolution and the path of the full resolution: (1 − alpha)·low + alpha·full.
The buffer alpha follows a schedule from 0 to 1.
"""

import torch
from torch import nn
from torch.nn.functional import avg_pool2d, interpolate, leaky_relu

import ganctl
from ganctl import Spec
from ganctl.sizes import divisible


class FadingGenerator(nn.Module):
    """Generator whose last resolution fades in.

    Args:
        width: Number of channels.
    """

    def __init__(self, image, latent, width: int = 64):
        super().__init__()
        divisible("fading generator", image, 4)
        self.start = (width, image.height // 4, image.width // 4)
        self.project = nn.Linear(latent.dim, width * self.start[1] * self.start[2])
        self.conv_half = nn.Conv2d(width, width, 3, padding=1)
        self.conv_full = nn.Conv2d(width, width, 3, padding=1)
        self.half_to_image = nn.Conv2d(width, image.channels, 1)
        self.full_to_image = nn.Conv2d(width, image.channels, 1)
        self.register_buffer("alpha", torch.tensor(0.0))

    def forward(self, z, y=None):
        features = leaky_relu(self.project(z), 0.2).view(-1, *self.start)
        features = interpolate(
            leaky_relu(self.conv_half(interpolate(features, scale_factor=2)), 0.2), scale_factor=2
        )
        low = interpolate(avg_pool2d(self.half_to_image(features), 2), scale_factor=2)
        full = self.full_to_image(leaky_relu(self.conv_full(features), 0.2))
        return torch.lerp(low, full, self.alpha.to(low.dtype)).tanh()


class FadingDiscriminator(nn.Module):
    """Discriminator whose first resolution fades in.

    Args:
        width: Number of channels.
    """

    def __init__(self, image, width: int = 64):
        super().__init__()
        divisible("fading discriminator", image, 4)
        self.image_to_full = nn.Conv2d(image.channels, width, 1)
        self.image_to_half = nn.Conv2d(image.channels, width, 1)
        self.conv_full = nn.Conv2d(width, width, 3, padding=1)
        self.conv_half = nn.Conv2d(width, width, 3, padding=1)
        self.score = nn.Linear(width * (image.height // 4) * (image.width // 4), 1)
        self.register_buffer("alpha", torch.tensor(0.0))

    def forward(self, x, y=None):
        low = leaky_relu(self.image_to_half(avg_pool2d(x, 2)), 0.2)
        full = avg_pool2d(leaky_relu(self.conv_full(leaky_relu(self.image_to_full(x), 0.2)), 0.2), 2)
        features = torch.lerp(low, full, self.alpha.to(low.dtype))
        features = avg_pool2d(leaky_relu(self.conv_half(features), 0.2), 2)
        return self.score(features.flatten(1)).flatten()


@ganctl.hookimpl
def register_generators(register):
    register("fading", FadingGenerator, summary="Generator whose last resolution fades in")


@ganctl.hookimpl
def register_discriminators(register):
    register("fading", FadingDiscriminator, summary="Discriminator whose first resolution fades in")


@ganctl.hookimpl
def register_models(register):
    adam = Spec("adam", lr=1e-3, betas=(0.0, 0.99))
    fade = "linear 1 over 600kimg"
    register(
        ganctl.Model(
            name="fade-in",
            summary="One fade-in of progressive growing",
            generator=Spec("fading"),
            discriminator=Spec("fading"),
            loss=Spec("wgan-gp"),
            g_optimizer=adam,
            d_optimizer=adam,
            ema=10_000,
            batch_size=64,
            schedules={"generator.alpha": fade, "discriminator.alpha": fade},
            paper="Karras et al. 2018, arXiv:1710.10196",
        )
    )
