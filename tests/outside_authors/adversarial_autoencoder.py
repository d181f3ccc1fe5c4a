"""Adversarial autoencoder (Makhzani et al. 2015, arXiv:1511.05644).

G is the decoder and also contains the encoder. D sees codes, not images: reals are samples of the prior z, and fakes
are encoded images.
"""

import torch
from torch import nn
from torch.nn.functional import mse_loss, softplus

import ganctl
from ganctl import Spec


class Autoencoder(nn.Module):
    """Decoder z → x with one hidden layer, and an encoder x → z.

    Args:
        width: Number of units in the hidden layers.
    """

    def __init__(self, image, latent, width: int = 256):
        super().__init__()
        shape = (image.channels, image.height, image.width)
        pixels = image.channels * image.height * image.width
        self.encoder = nn.Sequential(
            nn.Flatten(), nn.Linear(pixels, width), nn.ReLU(), nn.Linear(width, latent.dim)
        )
        self.decoder = nn.Sequential(
            nn.Linear(latent.dim, width),
            nn.ReLU(),
            nn.Linear(width, pixels),
            nn.Tanh(),
            nn.Unflatten(1, shape),
        )

    def forward(self, z, y=None):
        return self.decoder(z)

    def encode(self, x):
        return self.encoder(x)


class CodeDiscriminator(nn.Module):
    """Discriminator of codes with one hidden layer; needs the loss `aae`.

    Args:
        width: Number of units in the hidden layer.
    """

    def __init__(self, latent, width: int = 256):
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(latent.dim, width), nn.LeakyReLU(0.2), nn.Linear(width, 1))

    def forward(self, code, y=None):
        return self.layers(code).flatten()


class AdversarialAutoencoderLoss(ganctl.Loss):
    """Reconstruction error, and the adversarial loss of codes.

    Args:
        weight: Factor of the adversarial term of the encoder.
    """

    def __init__(self, weight: float = 0.1):
        super().__init__()
        self.register_buffer("weight", torch.tensor(weight))

    def discriminator_loss(self, D, real, fake, G):
        on_prior, on_code = D.module(fake.z).float(), D.module(G.module.encode(real.x).detach()).float()
        loss = (softplus(-on_prior) + softplus(on_code)).mean()
        return loss, {"D(x)": on_prior.mean(), "D(G(z))": on_code.mean()}

    def generator_loss(self, D, real, fake, G):
        code = G.module.encode(real.x)
        reconstruction = mse_loss(G(code, real.y).float(), real.x)
        adversarial = softplus(-D.module(code).float()).mean()
        terms = {"reconstruction": reconstruction, "code_mean": code.mean(), "code_std": code.std(0).mean()}
        return reconstruction + self.weight * adversarial, terms


@ganctl.hookimpl
def register_generators(register):
    register("autoencoder", Autoencoder, summary="Decoder with an encoder, for adversarial autoencoders")


@ganctl.hookimpl
def register_discriminators(register):
    register("codes", CodeDiscriminator, summary="Discriminator of codes, for adversarial autoencoders")


@ganctl.hookimpl
def register_losses(register):
    register("aae", AdversarialAutoencoderLoss, summary="Adversarial autoencoder (Makhzani et al. 2015)")


@ganctl.hookimpl
def register_models(register):
    adam = Spec("adam", lr=1e-3, betas=(0.5, 0.999))
    register(
        ganctl.Model(
            name="aae",
            summary="Adversarial autoencoder",
            generator=Spec("autoencoder"),
            discriminator=Spec("codes"),
            loss=Spec("aae"),
            g_optimizer=adam,
            d_optimizer=adam,
            latent=Spec("normal", z_dim=8),
            paper="Makhzani et al. 2015, arXiv:1511.05644",
        )
    )
