"""D2GAN: two discriminators with opposite preferences (Nguyen et al. 2017, arXiv:1709.03831)."""

from torch import nn
from torch.nn.functional import softplus

import ganctl
from ganctl import Spec


@ganctl.hookimpl
def register_discriminators(register):
    register("d2gan", Discriminators, summary="Two discriminators in one network; returns N×2")


@ganctl.hookimpl
def register_losses(register):
    register("d2gan", D2GAN, summary="KL and reverse KL with two discriminators (Nguyen et al. 2017)")


@ganctl.hookimpl
def register_models(register):
    adam = Spec("adam", lr=2e-4, betas=(0.5, 0.999))
    register(
        ganctl.Model(
            name="d2gan",
            summary="DCGAN's generator against two discriminators",
            generator=Spec("dcgan"),
            discriminator=Spec("d2gan"),
            loss=Spec("d2gan"),
            g_optimizer=adam,
            d_optimizer=adam,
            paper="Nguyen et al. 2017, arXiv:1709.03831",
        )
    )


class Discriminators(nn.Module):
    """Two discriminators without common weights.

    Args:
        inner: Name of the discriminator that is created twice.
        width: Option width of the discriminators.
    """

    def __init__(self, image, latent, inner: str = "dcgan", width: int = 64) -> None:
        super().__init__()
        self.first, self.second = (
            ganctl.make("discriminator", inner, image=image, latent=latent, num_classes=0, width=width)
            for _ in range(2)
        )

    def forward(self, x, y=None):
        return self.first(x, y), self.second(x, y)


class D2GAN(ganctl.Loss):
    """D1 rewards reals and D2 rewards fakes. Both outputs are positive: softplus of the network's outputs.

    D minimizes −α·E log D1(x) + E D1(x̃) + E D2(x) − β·E log D2(x̃), and G minimizes −E D1(x̃) + β·E log D2(x̃).

    Args:
        alpha: α, weight of the logarithm of D1.
        beta: β, weight of the logarithm of D2.
    """

    def __init__(self, alpha: float = 0.2, beta: float = 0.1) -> None:
        super().__init__()
        self.alpha, self.beta = alpha, beta

    def discriminator_loss(self, D, real, fake):
        real1, real2 = positive(D, real)
        fake1, fake2 = positive(D, fake)
        loss = -self.alpha * real1.log().mean() + fake1.mean() + real2.mean() - self.beta * fake2.log().mean()
        return loss, {
            "D(x)": real1.mean(),
            "D(G(z))": fake1.mean(),
            "D2(x)": real2.mean(),
            "D2(G(z))": fake2.mean(),
        }

    def generator_loss(self, D, real, fake):
        fake1, fake2 = positive(D, fake)
        return self.beta * fake2.log().mean() - fake1.mean(), {}


def positive(D, batch):
    return [softplus(output.float()) + 1e-8 for output in D(batch.x, batch.y)]
