"""Label dropout for classifier-free conditioning (Ho & Salimans 2022, arXiv:2207.12598) in a conditional GAN."""

import math

import torch
from torch import nn
from torch.nn.functional import softplus

import ganctl
from ganctl import Spec, batchwise


@ganctl.hookimpl
def register_generators(register):
    register(
        "label-dropout", Generator, summary="Fully connected; class −1 stands for no label; needs labels"
    )


@ganctl.hookimpl
def register_discriminators(register):
    register("label-dropout", Discriminator, summary="Projection on the label or no label; needs labels")


@ganctl.hookimpl
def register_losses(register):
    register("label-dropout", LabelDropout, summary="Cross-entropy with randomly dropped labels")


@ganctl.hookimpl
def register_models(register):
    adam = Spec("adam", lr=2e-4, betas=(0.5, 0.999))
    register(
        ganctl.Model(
            name="label-dropout",
            summary="Conditional GAN whose labels are dropped at random",
            generator=Spec("label-dropout"),
            discriminator=Spec("label-dropout"),
            loss=Spec("label-dropout"),
            g_optimizer=adam,
            d_optimizer=adam,
            paper="Ho & Salimans 2022, arXiv:2207.12598",
        )
    )


class Label(nn.Module):
    """Embedding of a label. The last row is the embedding of −1, no label."""

    def __init__(self, num_classes: int, width: int) -> None:
        super().__init__()
        if not num_classes:
            raise ganctl.GanctlError("Label dropout needs labels.", "Choose data with labels.")
        self.rows = nn.Embedding(num_classes + 1, width)

    def forward(self, y):
        return self.rows(y % self.rows.num_embeddings)


class Generator(nn.Module):
    """Map z and a label to an image.

    Args:
        width: Width of the hidden layer and the label embedding.
    """

    handles_unlabeled = True

    def __init__(self, image, latent, num_classes, width: int = 256) -> None:
        super().__init__()
        self.shape = (image.channels, image.height, image.width)
        self.label = Label(num_classes, width)
        self.input = nn.Linear(latent.dim, width)
        self.output = nn.Sequential(
            nn.LeakyReLU(0.2),
            nn.Linear(width, width),
            nn.LeakyReLU(0.2),
            nn.Linear(width, math.prod(self.shape)),
        )

    def forward(self, z, y, guidance: float = 1.0):
        """Generate images.

        Args:
            guidance: Factor of the difference between the label and no label. 0 ignores the label.
        """
        none = self.label(torch.full_like(y, -1))
        label = none.lerp(self.label(y), guidance)
        return self.output(self.input(z) + label).tanh().unflatten(1, self.shape)


class Discriminator(nn.Module):
    """Fully connected projection discriminator.

    Args:
        width: Width of the hidden layer.
    """

    handles_unlabeled = True

    def __init__(self, image, num_classes, width: int = 256) -> None:
        super().__init__()
        pixels = image.channels * image.height * image.width
        self.body = nn.Sequential(
            nn.Flatten(),
            nn.Linear(pixels, width),
            nn.LeakyReLU(0.2),
            nn.Linear(width, width),
            nn.LeakyReLU(0.2),
        )
        self.label, self.head = Label(num_classes, width), nn.Linear(width, 1)

    def forward(self, x, y):
        h = self.body(x)
        return self.head(h).squeeze(1) + (h * self.label(y)).mean(1)


class LabelDropout(ganctl.Loss):
    """Non-saturating cross-entropy. Some labels, for G and D the same ones, are replaced by −1 (no label).

    Args:
        drop: Probability with which a label is dropped.
    """

    handles_unlabeled = True

    def __init__(self, drop: float = 0.1) -> None:
        super().__init__()
        self.drop = drop

    def without_some_labels(self, batch):
        if batch.y is None:
            raise ganctl.GanctlError("Label dropout needs labels.", "Choose data with labels.")
        dropped = batchwise.rand_like(batch.x[:, 0, 0, 0].float()) < self.drop
        return ganctl.Batch(batch.x, batch.y.masked_fill(dropped, -1), batch.z)

    def fakes(self, fake, G):
        fake = self.without_some_labels(fake)
        return ganctl.Batch(G(fake.z, fake.y, None), fake.y, fake.z)

    def discriminator_loss(self, D, real, fake, G):
        with torch.no_grad():
            fake = self.fakes(fake, G)
        real = self.without_some_labels(real)
        on_real, on_fake = ganctl.logits(D, real), ganctl.logits(D, fake)
        return (softplus(-on_real) + softplus(on_fake)).mean(), {
            "D(x)": on_real.sigmoid().mean(),
            "D(G(z))": on_fake.sigmoid().mean(),
            "dropped": (real.y < 0).float().mean(),
        }

    def generator_loss(self, D, real, fake, G):
        return softplus(-ganctl.logits(D, self.fakes(fake, G))).mean(), {}
