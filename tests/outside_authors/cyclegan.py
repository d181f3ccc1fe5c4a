"""CycleGAN (Zhu et al. 2017, arXiv:1703.10593): x is an image of domain A, c an unrelated image of domain B.

G and D each contain the networks of both directions. The dataset must provide c as float32 in [−1, 1].
"""

import torch
from torch import nn
from torch.nn.functional import l1_loss

import ganctl
from ganctl import Spec


class Translators(nn.Module):
    """B → A and A → B, each with three convolutions.

    Args:
        width: Number of channels.
    """

    def __init__(self, image, condition, width: int = 32):
        super().__init__()
        if condition is None:
            raise ganctl.GanctlError(
                "CycleGAN needs images of the other domain as conditions.", "See docs/datasets.md."
            )
        self.to_a = translator(condition[0], image.channels, width)
        self.to_b = translator(image.channels, condition[0], width)

    def forward(self, z, y, c, back: bool = False):
        """Translate c, an image of domain B, to domain A.

        Args:
            back: c is an image of domain A; translate it to domain B.
        """
        return self.to_b(c) if back else self.to_a(c)


class TwoDiscriminators(nn.Module):
    """Mean logit of patches, with one network per domain.

    Args:
        width: Number of channels.
    """

    def __init__(self, image, condition, width: int = 32):
        super().__init__()
        self.of_a = patches(image.channels, width)
        self.of_b = patches(condition[0], width)

    def forward(self, x, y=None):
        return self.of_a(x).mean((1, 2, 3))

    def on_b(self, x):
        return self.of_b(x).mean((1, 2, 3))


class CycleLoss(ganctl.Loss):
    """Least squares in both domains, and the L1 distance of both cycles.

    Args:
        cycle: Factor of the L1 distances.
    """

    def __init__(self, cycle: float = 10.0):
        super().__init__()
        self.register_buffer("cycle", torch.tensor(cycle))

    def discriminator_loss(self, D, real, fake, G):
        fake_b = G.module.to_b(real.x).detach()
        on_real, on_fake = ganctl.logits(D, real), ganctl.logits(D, fake)
        on_b, on_fake_b = D.module.on_b(D.augment(real.c)).float(), D.module.on_b(D.augment(fake_b)).float()
        loss = sum((on - 1).square().mean() for on in (on_real, on_b))
        loss = loss + sum(on.square().mean() for on in (on_fake, on_fake_b))
        return loss / 2, {"D(x)": on_real.mean(), "D(G(z))": on_fake.mean()}

    def generator_loss(self, D, real, fake, G):
        fake_b = G.module.to_b(real.x)
        adversarial = (ganctl.logits(D, fake) - 1).square().mean()
        adversarial = adversarial + (D.module.on_b(D.augment(fake_b)).float() - 1).square().mean()
        cycle_b = l1_loss(G.module.to_b(fake.x).float(), fake.c)
        cycle_a = l1_loss(G(fake.z, fake.y, fake_b).float(), real.x)
        return adversarial + self.cycle * (cycle_a + cycle_b), {"cycle_a": cycle_a, "cycle_b": cycle_b}


def translator(inputs, outputs, width):
    return nn.Sequential(
        nn.Conv2d(inputs, width, 3, padding=1),
        nn.ReLU(),
        nn.Conv2d(width, width, 3, padding=1),
        nn.ReLU(),
        nn.Conv2d(width, outputs, 3, padding=1),
        nn.Tanh(),
    )


def patches(inputs, width):
    return nn.Sequential(
        nn.Conv2d(inputs, width, 4, stride=2, padding=1), nn.LeakyReLU(0.2), nn.Conv2d(width, 1, 3, padding=1)
    )


@ganctl.hookimpl
def register_generators(register):
    register("translators", Translators, summary="CycleGAN's two generators; c is an image of domain B")


@ganctl.hookimpl
def register_discriminators(register):
    register("two-domains", TwoDiscriminators, summary="CycleGAN's two discriminators")


@ganctl.hookimpl
def register_losses(register):
    register("cycle", CycleLoss, summary="Least squares and cycle consistency (Zhu et al. 2017)")


@ganctl.hookimpl
def register_models(register):
    adam = Spec("adam", lr=2e-4, betas=(0.5, 0.999))
    register(
        ganctl.Model(
            name="cyclegan",
            summary="CycleGAN; needs a dataset with images of the other domain as conditions",
            generator=Spec("translators"),
            discriminator=Spec("two-domains"),
            loss=Spec("cycle"),
            g_optimizer=adam,
            d_optimizer=adam,
            latent=Spec("normal", z_dim=1),
            paper="Zhu et al. 2017, arXiv:1703.10593",
        )
    )
