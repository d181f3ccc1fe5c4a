"""A typical training loop from tutorials, used as the baseline for ganctl.

A DataLoader converts each image with PIL, G runs twice per step, optimizers use torch's defaults, and every loss is
read with ``.item()`` and printed. The networks and losses come from ganctl.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms

from ganctl.latent import Latent
from ganctl.loss import Batch, Loss


class PILDataset(Dataset[tuple[Tensor, Tensor]]):
    """A dataset that converts each image with PIL, like torchvision's datasets. ``x`` is uint8 N×C×H×W."""

    def __init__(self, x: Tensor, y: Tensor | None, image_size: int) -> None:
        self.x, self.y = x, torch.zeros(len(x), dtype=torch.int64) if y is None else y
        self.transform = transforms.Compose(
            [
                transforms.ToPILImage(),
                transforms.Resize((image_size, image_size)),
                transforms.ToTensor(),
                transforms.Normalize([0.5], [0.5]),
            ]
        )

    def __len__(self) -> int:
        return len(self.x)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        return self.transform(self.x[index]), self.y[index]


def endless_batches(
    x: Tensor, y: Tensor | None, image_size: int, batch_size: int
) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield batches of float32 images in [−1, 1] and labels, shuffled every epoch."""
    loader = DataLoader(PILDataset(x, y, image_size), batch_size=batch_size, shuffle=True)
    while True:
        yield from loader


class Textbook:
    """The textbook loop. The networks keep torch's default memory layout."""

    def __init__(
        self,
        G: nn.Module,
        D: nn.Module,
        batches: Iterator[tuple[Tensor, Tensor]],
        *,
        loss: Loss,
        latent: Latent,
        g_optimizer: Callable[..., torch.optim.Optimizer],
        d_optimizer: Callable[..., torch.optim.Optimizer],
        n_critic: int,
        device: torch.device,
    ) -> None:
        self.G, self.D, self.loss = G.to(device), D.to(device), loss.to(device)
        self.batches, self.latent, self.n_critic, self.device = batches, latent, n_critic, device
        self.d_optimizer = d_optimizer(D.parameters())
        self.g_optimizer = g_optimizer(G.parameters())
        self.output = open(os.devnull, "w")  # noqa: SIM115

    def update_discriminator(self) -> None:
        x, y = next(self.batches)
        self.real = Batch(x.to(self.device), y.to(self.device))
        fake = self.generate()
        self.d_optimizer.zero_grad()
        loss, report = self.loss.discriminator_loss(self.D, self.real, fake._replace(x=fake.x.detach()))
        loss.backward()
        self.d_optimizer.step()
        with torch.no_grad():
            self.loss.constrain(self.D)
        self.print({"D loss": loss, **report})

    def update_generator(self) -> None:
        fake = self.generate()
        self.g_optimizer.zero_grad()
        loss, report = self.loss.generator_loss(self.D, self.real, fake)
        loss.backward()
        self.g_optimizer.step()
        self.print({"G loss": loss, **report})

    def generate(self) -> Batch:
        z = self.latent.sample(len(self.real.x), self.device)
        return Batch(self.G(z, self.real.y), self.real.y, z)

    def print(self, values: dict[str, Tensor]) -> None:
        print("  ".join(f"{name} {value.item():.4f}" for name, value in values.items()), file=self.output)

    def step(self) -> None:
        for _ in range(self.n_critic):
            self.update_discriminator()
        self.update_generator()
