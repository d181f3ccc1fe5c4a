"""BiGAN: an encoder that is trained with G, and a D that sees pairs (x, z) (Donahue et al. 2017, arXiv:1605.09782)."""

import math

import torch
from torch import nn
from torch.nn.functional import softplus

import ganctl
from ganctl import Spec


@ganctl.hookimpl
def register_generators(register):
    register("bigan", Generator, summary="Fully connected generator with an encoder")


@ganctl.hookimpl
def register_discriminators(register):
    register("bigan", Discriminator, summary="Features of x, and a logit for features and z")


@ganctl.hookimpl
def register_losses(register):
    register("bigan", BiGAN, summary="Cross-entropy on pairs (x, E(x)) and (G(z), z)")


@ganctl.hookimpl
def register_models(register):
    adam = Spec("adam", lr=2e-4, betas=(0.5, 0.999))
    register(
        ganctl.Model(
            name="bigan",
            summary="Fully connected BiGAN",
            generator=Spec("bigan"),
            discriminator=Spec("bigan"),
            loss=Spec("bigan"),
            g_optimizer=adam,
            d_optimizer=adam,
            latent=Spec("normal", z_dim=50),
            paper="Donahue et al. 2017, arXiv:1605.09782",
        )
    )


def mlp(inputs: int, width: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Linear(inputs, width),
        nn.LeakyReLU(0.2),
        nn.Linear(width, width),
        nn.LeakyReLU(0.2),
        nn.Linear(width, outputs),
    )


class Generator(nn.Module):
    """Generate images from z. The method `encode` maps images to z.

    Args:
        width: Width of the hidden layers.
    """

    def __init__(self, image, latent, width: int = 512) -> None:
        super().__init__()
        self.shape = (image.channels, image.height, image.width)
        self.decoder = mlp(latent.dim, width, math.prod(self.shape))
        self.encoder = mlp(math.prod(self.shape), width, latent.dim)

    def forward(self, z, y=None):
        return self.decoder(z).tanh().unflatten(1, self.shape)

    def encode(self, x):
        return self.encoder(x.flatten(1)).float()


class Discriminator(nn.Module):
    """Return features of x. The method `logits` rates features together with z.

    Args:
        width: Width of the hidden layers.
    """

    def __init__(self, image, latent, width: int = 512) -> None:
        super().__init__()
        pixels = image.channels * image.height * image.width
        self.features = nn.Sequential(nn.Flatten(), nn.Linear(pixels, width), nn.LeakyReLU(0.2))
        self.head = mlp(width + latent.dim, width, 1)

    def forward(self, x, y=None):
        return self.features(x)

    def logits(self, features, z):
        return self.head(torch.cat([features, z], 1)).squeeze(1).float()


class BiGAN(ganctl.Loss):
    """D distinguishes (x, E(x)) from (G(z), z). G and E minimize the same cross-entropy with swapped targets."""

    def discriminator_loss(self, D, real, fake, G):
        with torch.no_grad():
            code = G.module.encode(real.x)
        on_real = D.module.logits(D(real.x, real.y), code)
        on_fake = D.module.logits(D(fake.x, fake.y), fake.z)
        loss = (softplus(-on_real) + softplus(on_fake)).mean()
        return loss, {"D(x)": on_real.sigmoid().mean(), "D(G(z))": on_fake.sigmoid().mean()}

    def generator_loss(self, D, real, fake, G):
        on_real = D.module.logits(D(real.x, real.y), G.module.encode(real.x))
        on_fake = D.module.logits(D(fake.x, fake.y), fake.z)
        return (softplus(on_real) + softplus(-on_fake)).mean(), {}
