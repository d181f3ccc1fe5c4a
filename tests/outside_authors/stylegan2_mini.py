"""StyleGAN2's mapping, style mixing, truncation and path length in miniature (Karras et al. 2020, arXiv:1912.04958)."""

import torch
from torch import nn
from torch.nn.functional import conv2d, interpolate, leaky_relu, normalize

import ganctl
from ganctl import Spec, batchwise, sizes


@ganctl.hookimpl
def register_generators(register):
    register("style-mini", Generator, summary="Mapping and modulated convolutions of StyleGAN2, small")


@ganctl.hookimpl
def register_regularizers(register):
    register("style-path", PathLength, summary="Path length regularization in every 4th step")


@ganctl.hookimpl
def register_models(register):
    adam = Spec("adam", lr=2e-3, betas=(0.0, 0.99))
    register(
        ganctl.Model(
            name="style-mini",
            summary="StyleGAN2 in miniature",
            generator=Spec("style-mini"),
            discriminator=Spec("dcgan", norm="none"),
            loss=Spec("bce"),
            regularizers=(Spec("r1", gamma=1.0, every=16), Spec("style-path")),
            g_optimizer=adam,
            d_optimizer=adam,
            ema=10_000,
            paper="Karras et al. 2020, arXiv:1912.04958",
        )
    )


class Modulated(nn.Module):
    """Convolution whose input channels are scaled by a style."""

    def __init__(self, w_dim: int, inputs: int, outputs: int, size: int, demodulate: bool) -> None:
        super().__init__()
        self.style, self.demodulate = nn.Linear(w_dim, inputs), demodulate
        self.weight = nn.Parameter(torch.randn(outputs, inputs, size, size) / (inputs * size**2) ** 0.5)
        self.bias = nn.Parameter(torch.zeros(outputs, 1, 1))

    def forward(self, x, w):
        style = self.style(w) + 1
        x = conv2d(x * style[:, :, None, None], self.weight, padding="same")
        if self.demodulate:
            scale = (style.square() @ self.weight.square().sum((2, 3)).T + 1e-8).rsqrt()
            x = x * scale[:, :, None, None]
        return x + self.bias


class Generator(nn.Module):
    """Map z to w, and synthesize an image from one w per layer.

    Args:
        width: Number of channels.
        w_dim: Number of dimensions of w.
        mixing: Probability with which a training sample takes its last layers' w from a second z.
    """

    unbounded = True

    def __init__(self, image, latent, width: int = 32, w_dim: int = 64, mixing: float = 0.9) -> None:
        super().__init__()
        depth, start = sizes.doublings("style-mini generator", image)
        self.mixing, self.layers = mixing, depth + 1
        self.net = nn.Sequential(
            nn.Linear(latent.dim, w_dim), nn.LeakyReLU(0.2), nn.Linear(w_dim, w_dim), nn.LeakyReLU(0.2)
        )
        self.constant = nn.Parameter(torch.randn(1, width, *start))
        self.convs = nn.ModuleList(Modulated(w_dim, width, width, 3, True) for _ in range(self.layers))
        self.to_rgb = nn.ModuleList(
            Modulated(w_dim, width, image.channels, 1, False) for _ in range(self.layers)
        )
        self.register_buffer("w_mean", torch.zeros(w_dim))

    def parameter_groups(self):
        mapping = list(self.net.parameters())
        rest = [self.constant, *self.convs.parameters(), *self.to_rgb.parameters()]
        return [{"params": mapping, "lr_scale": 0.01}, {"params": rest}]

    def mapping(self, z, y=None):
        return self.net(normalize(z, dim=1) * z.shape[1] ** 0.5).float()

    def synthesis(self, w):
        """Synthesize images from w, N×w_dim, or from one w per layer, N×layers×w_dim."""
        w = w if w.ndim == 3 else w[:, None].expand(-1, self.layers, -1)
        x, rgb = self.constant.expand(len(w), -1, -1, -1), 0
        for layer, (conv, to_rgb) in enumerate(zip(self.convs, self.to_rgb, strict=True)):
            if layer:
                x, rgb = interpolate(x, scale_factor=2.0), interpolate(rgb, scale_factor=2.0)
            x = leaky_relu(conv(x, w[:, layer]), 0.2)
            rgb = rgb + to_rgb(x, w[:, layer])
        return rgb

    def forward(self, z, y=None, psi: float = 1.0):
        """Generate images.

        Args:
            psi: Truncation: 1 keeps w, and 0 replaces w by the mean of w.
        """
        w = self.mapping(z, y)
        if not self.training:
            return self.synthesis(self.w_mean.lerp(w, psi))
        with torch.no_grad():
            self.w_mean.lerp_(batchwise.whole(w.detach()).mean(0), 0.005)
        second = self.mapping(batchwise.randn_like(z), y)
        mixed, position = batchwise.rand_like(z[:, :2]).split(1, 1)
        crossover = torch.where(mixed < self.mixing, 1 + position * (self.layers - 1), self.layers)
        keep = torch.arange(self.layers, device=z.device) < crossover.floor()
        return self.synthesis(torch.where(keep[:, :, None], w[:, None], second[:, None]))


class PathLength(ganctl.Regularizer):
    """λ·E(‖∂(x̃·noise)/∂w‖ − a)², where a is the running mean of the norms.

    Args:
        weight: λ, weight of the penalty.
        decay: Weight of the newest batch in the running mean.
    """

    penalizes_generator = True
    every = 4

    def __init__(self, weight: float = 2.0, decay: float = 0.01) -> None:
        super().__init__()
        self.decay = decay
        self.register_buffer("weight", torch.tensor(weight))
        self.register_buffer("mean", torch.tensor(0.0))

    def generator_term(self, D, real, fake, G):
        w = G.module.mapping(fake.z, fake.y)
        x = G.module.synthesis(w).float()
        noise = batchwise.randn_like(x) / (x.shape[2] * x.shape[3]) ** 0.5
        (gradient,) = torch.autograd.grad((x * noise).sum(), w, create_graph=True)
        lengths = gradient.norm(dim=1)
        with torch.no_grad():
            self.mean.lerp_(batchwise.whole(lengths).mean(), self.decay)
        return self.weight * (lengths - self.mean).square().mean(), {"style-path": lengths.mean()}
