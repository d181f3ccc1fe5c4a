"""VAE-GAN: a VAE whose reconstructions are compared in D's features (Larsen et al. 2016, arXiv:1512.09300)."""

import math

import torch
from torch import nn
from torch.nn.functional import softplus

import ganctl
from ganctl import Spec, batchwise


@ganctl.hookimpl
def register_generators(register):
    register("vaegan", Generator, summary="Fully connected decoder and variational encoder")


@ganctl.hookimpl
def register_discriminators(register):
    register("vaegan", Discriminator, summary="Fully connected, with access to its features")


@ganctl.hookimpl
def register_losses(register):
    register("vaegan", VAEGAN, summary="Cross-entropy, reconstruction in D's features and KL to the prior")


@ganctl.hookimpl
def register_models(register):
    adam = Spec("adam", lr=2e-4, betas=(0.5, 0.999))
    register(
        ganctl.Model(
            name="vaegan",
            summary="Fully connected VAE-GAN",
            generator=Spec("vaegan"),
            discriminator=Spec("vaegan"),
            loss=Spec("vaegan"),
            g_optimizer=adam,
            d_optimizer=adam,
            latent=Spec("normal", z_dim=50),
            paper="Larsen et al. 2016, arXiv:1512.09300",
        )
    )


class Generator(nn.Module):
    """Decode z to an image. The method `encode` maps images to the mean and the log-variance of z.

    Args:
        width: Width of the hidden layers.
    """

    def __init__(self, image, latent, width: int = 512) -> None:
        super().__init__()
        self.shape = (image.channels, image.height, image.width)
        pixels = math.prod(self.shape)
        self.decoder = nn.Sequential(
            nn.Linear(latent.dim, width), nn.LeakyReLU(0.2), nn.Linear(width, pixels)
        )
        self.encoder = nn.Sequential(
            nn.Flatten(), nn.Linear(pixels, width), nn.LeakyReLU(0.2), nn.Linear(width, 2 * latent.dim)
        )

    def forward(self, z, y=None):
        return self.decoder(z).tanh().unflatten(1, self.shape)

    def encode(self, x):
        return self.encoder(x).float().chunk(2, 1)


class Discriminator(nn.Module):
    """Fully connected. The logit is a linear function of `features(x)`.

    Args:
        width: Width of the hidden layer.
    """

    def __init__(self, image, width: int = 512) -> None:
        super().__init__()
        pixels = image.channels * image.height * image.width
        self.features = nn.Sequential(nn.Flatten(), nn.Linear(pixels, width), nn.LeakyReLU(0.2))
        self.head = nn.Linear(width, 1)

    def forward(self, x, y=None):
        return self.head(self.features(x)).squeeze(1)


class VAEGAN(ganctl.Loss):
    """D rates reals, samples and reconstructions. The encoder minimizes KL and reconstruction only.

    The paper multiplies the reconstruction by γ for the decoder only. Here, KL has the factor γ as well, which is the
    same for an optimizer that does not depend on the gradient's scale, such as Adam.

    Args:
        gamma: γ, weight of the reconstruction relative to the adversarial term.
    """

    def __init__(self, gamma: float = 1.0) -> None:
        super().__init__()
        self.register_buffer("gamma", torch.tensor(gamma))

    def discriminator_loss(self, D, real, fake, G):
        with torch.no_grad():
            again = G(draw(*G.module.encode(real.x)), real.y, None)
        on_real, on_fake = ganctl.logits(D, real), ganctl.logits(D, fake)
        on_again = ganctl.logits(D, ganctl.Batch(again, real.y))
        loss = (softplus(-on_real) + softplus(on_fake) + softplus(on_again)).mean()
        return loss, {"D(x)": on_real.sigmoid().mean(), "D(G(z))": on_fake.sigmoid().mean()}

    def generator_loss(self, D, real, fake, G):
        mean, log_variance = G.module.encode(real.x)
        z = draw(mean, log_variance)
        prior = (mean.square() + log_variance.exp() - 1 - log_variance).sum(1).mean() / 2
        features = D.module.features
        difference = features(G(z, real.y, None)).float() - features(real.x).float()
        likeness = difference.square().sum(1).mean() / 2
        again = ganctl.Batch(G(z.detach(), real.y, None), real.y)
        adversarial = (softplus(-ganctl.logits(D, fake)) + softplus(-ganctl.logits(D, again))).mean()
        return adversarial + self.gamma * (likeness + prior), {"reconstruction": likeness, "prior": prior}


def draw(mean, log_variance):
    return mean + (log_variance / 2).exp() * batchwise.randn_like(mean)
