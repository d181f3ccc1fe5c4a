"""Colorization as in pix2pix (Isola et al. 2017, arXiv:1611.07004): c is the gray image, x is the color image.

ganctl train --plugin colorization.py --data gray-and-color --model dcgan --generator colorizer \
  --discriminator pair --regularizer l1
"""

import torch
from torch import nn
from torchvision.transforms.functional import pil_to_tensor

import ganctl


def gray_and_color(root, path: str | None = None) -> ganctl.Images:
    """Color images, with the gray image as the condition.

    Args:
        path: Folder or zip file of color images of the same size. Default: CIFAR-10 in the data root.
    """
    name, options = ("folder", {"path": path}) if path else ("cifar10", {})
    images = ganctl.make("dataset", name, root=root, **options)
    images = images.read() if isinstance(images, ganctl.Dataset) else images
    if isinstance(images, ganctl.ImageFiles):
        files = [pil_to_tensor(images.open(name).convert("RGB")) for name in images.names]
        images = ganctl.Images(torch.stack(files))
    return ganctl.Images(images.x, c=images.x.mean(1, keepdim=True, dtype=torch.float32).byte())


class Colorizer(nn.Module):
    """Convolutions of the gray image and of z, which is the same for every pixel."""

    def __init__(self, image, latent, condition, width: int = 64):
        super().__init__()
        self.first = nn.Conv2d(condition[0] + latent.dim, width, 3, padding=1)
        self.second = nn.Conv2d(width, width, 3, padding=1)
        self.last = nn.Conv2d(width, image.channels, 3, padding=1)

    def forward(self, z, y, c):
        noise = z[:, :, None, None].expand(-1, -1, *c.shape[2:])
        return self.last(self.second(self.first(torch.cat([c / 127.5 - 1, noise], 1)).relu()).relu()).tanh()


class PairDiscriminator(nn.Module):
    """DCGAN's discriminator, applied to the gray and the color image together."""

    def __init__(self, image, condition, width: int = 64):
        super().__init__()
        both = ganctl.ImageShape(condition[0] + image.channels, image.height, image.width)
        self.inner = ganctl.make("discriminator", "dcgan", image=both, num_classes=0, width=width)

    def forward(self, x, y, c):
        return self.inner(torch.cat([c / 127.5 - 1, x], 1), None)


class ColorDistance(ganctl.Regularizer):
    """Mean absolute difference between G's colors and the real colors of the same gray image."""

    def generator_term(self, D, real, fake, G):
        distance = (G(fake.z, real.y, real.c).float() - real.x).abs().mean()
        return 100 * distance, {"l1": distance}


@ganctl.hookimpl
def register_datasets(register):
    register("gray-and-color", gray_and_color, summary="Color images, gray images as conditions")


@ganctl.hookimpl
def register_generators(register):
    register("colorizer", Colorizer, summary="Small convolutional colorizer")


@ganctl.hookimpl
def register_discriminators(register):
    register("pair", PairDiscriminator, summary="Discriminator of a gray and a color image")


@ganctl.hookimpl
def register_regularizers(register):
    register("l1", ColorDistance, summary="Distance from the real colors (Isola et al. 2017)")
