"""Satellite images with 13 channels of 12 bits in uint16, as of Sentinel-2, and a small DCGAN (arXiv:1511.06434)."""

import numpy
import torch
from torch import nn

import ganctl
from ganctl import Spec
from ganctl.sizes import divisible


def satellite(root, file: str = "satellite.npy") -> ganctl.Images:
    """Images from a NumPy file: uint16, N×13×H×W, with values from 0 to 4095.

    Args:
        file: Name of the file in the data root.
    """
    if not (root / file).exists():
        raise ganctl.GanctlError(
            f"There is no {file} in {root}.", "Put the file there, or set --data-root.", status=ganctl.DATA
        )
    return ganctl.Images(torch.from_numpy(numpy.load(root / file)), range=(0, 4095))


class Generator(nn.Module):
    """One linear layer and two upsampling convolutions.

    Args:
        width: Number of channels.
    """

    def __init__(self, image, latent, width: int = 64):
        super().__init__()
        divisible("satellite generator", image, 4)
        start = (width, image.height // 4, image.width // 4)
        self.layers = nn.Sequential(
            nn.Linear(latent.dim, width * start[1] * start[2]),
            nn.ReLU(),
            nn.Unflatten(1, start),
            nn.ConvTranspose2d(width, width, 4, stride=2, padding=1),
            nn.ReLU(),
            nn.ConvTranspose2d(width, image.channels, 4, stride=2, padding=1),
            nn.Tanh(),
        )

    def forward(self, z, y=None):
        return self.layers(z)


class Discriminator(nn.Module):
    """Two strided convolutions and one linear layer.

    Args:
        width: Number of channels.
    """

    def __init__(self, image, width: int = 64):
        super().__init__()
        divisible("satellite discriminator", image, 4)
        self.layers = nn.Sequential(
            nn.Conv2d(image.channels, width, 4, stride=2, padding=1),
            nn.LeakyReLU(0.2),
            nn.Conv2d(width, width, 4, stride=2, padding=1),
            nn.LeakyReLU(0.2),
            nn.Flatten(),
            nn.Linear(width * (image.height // 4) * (image.width // 4), 1),
        )

    def forward(self, x, y=None):
        return self.layers(x).flatten()


@ganctl.hookimpl
def register_datasets(register):
    register("satellite", satellite, summary="13 channels of 12 bits")


@ganctl.hookimpl
def register_generators(register):
    register("satellite", Generator, summary="Small generator for any number of channels")


@ganctl.hookimpl
def register_discriminators(register):
    register("satellite", Discriminator, summary="Small discriminator for any number of channels")


@ganctl.hookimpl
def register_models(register):
    adam = Spec("adam", lr=2e-4, betas=(0.5, 0.999))
    register(
        ganctl.Model(
            name="satellite-gan",
            summary="Small DCGAN for any number of channels",
            generator=Spec("satellite"),
            discriminator=Spec("satellite"),
            loss=Spec("bce"),
            g_optimizer=adam,
            d_optimizer=adam,
            paper="Radford et al. 2015, arXiv:1511.06434",
        )
    )
