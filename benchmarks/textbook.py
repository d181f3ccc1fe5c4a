"""The loop that tutorials teach, as the thing that ganctl is measured against.

Pictures come from a DataLoader that takes each through PIL; the generator runs twice a step; optimizers are what torch
makes of them; every loss is read with ``.item()`` and printed. The mathematics is ganctl's loss on the same nets.
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


class PictureFiles(Dataset[tuple[Tensor, Tensor]]):
    """Images that go through PIL one by one, as torchvision's datasets hand them out. ``x``: uint8 N×C×H×W."""

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


def endless(x: Tensor, y: Tensor | None, image_size: int, batch_size: int) -> Iterator[tuple[Tensor, Tensor]]:
    """Batches of float32 images in [−1, 1] and labels, shuffled anew every epoch."""
    loader = DataLoader(PictureFiles(x, y, image_size), batch_size=batch_size, shuffle=True)
    while True:
        yield from loader


class Textbook:
    """One model in training. The networks stay in the layout that torch gives them."""

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
        self.line = open(os.devnull, "w")  # noqa: SIM115  (open as long as the loop is)

    def update_discriminator(self) -> None:
        x, y = next(self.batches)
        self.real = Batch(x.to(self.device), y.to(self.device))
        fake = self.draw()
        self.d_optimizer.zero_grad()
        loss, report = self.loss.discriminator_loss(self.D, self.real, fake._replace(x=fake.x.detach()))
        loss.backward()
        self.d_optimizer.step()
        with torch.no_grad():
            self.loss.constrain(self.D)
        self.print({"D loss": loss, **report})

    def update_generator(self) -> None:
        fake = self.draw()
        self.g_optimizer.zero_grad()
        loss, report = self.loss.generator_loss(self.D, self.real, fake)
        loss.backward()
        self.g_optimizer.step()
        self.print({"G loss": loss, **report})

    def draw(self) -> Batch:
        z = self.latent.sample(len(self.real.x), self.device)
        return Batch(self.G(z, self.real.y), self.real.y, z)

    def print(self, values: dict[str, Tensor]) -> None:
        print("  ".join(f"{name} {value.item():.4f}" for name, value in values.items()), file=self.line)

    def step(self) -> None:
        for _ in range(self.n_critic):
            self.update_discriminator()
        self.update_generator()
