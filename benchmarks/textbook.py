"""The loop that tutorials teach, as the thing that ganctl is measured against.

Pictures come from a DataLoader that takes each through PIL; the generator runs twice a step; Adam is what torch
makes of it; every loss is read with ``.item()`` and printed. The mathematics is ganctl's ``bce`` on the same nets.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms


class PictureFiles(Dataset[Tensor]):
    """Images that go through PIL one by one, as torchvision's datasets hand them out. ``x``: uint8 N×C×H×W."""

    def __init__(self, x: Tensor, image_size: int) -> None:
        self.x = x
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

    def __getitem__(self, index: int) -> Tensor:
        return self.transform(self.x[index])


def endless(x: Tensor, image_size: int, batch_size: int) -> Iterator[Tensor]:
    """Batches of float32 images in [−1, 1], shuffled anew every epoch."""
    loader = DataLoader(PictureFiles(x, image_size), batch_size=batch_size, shuffle=True)
    while True:
        yield from loader


class Textbook:
    """One model in training. The networks stay in the layout that torch gives them."""

    def __init__(
        self,
        G: nn.Module,
        D: nn.Module,
        x: Tensor,
        *,
        image_size: int,
        batch_size: int,
        z_dim: int,
        lr: float,
        betas: tuple[float, float],
        device: torch.device,
    ) -> None:
        self.G, self.D, self.z_dim, self.device = G.to(device), D.to(device), z_dim, device
        self.batches = endless(x, image_size, batch_size)
        self.criterion = nn.BCEWithLogitsLoss()
        self.d_optimizer = torch.optim.Adam(D.parameters(), lr=lr, betas=betas)
        self.g_optimizer = torch.optim.Adam(G.parameters(), lr=lr, betas=betas)
        self.n = batch_size
        self.line = open(os.devnull, "w")  # noqa: SIM115  (open as long as the loop is)

    def update_discriminator(self) -> float:
        real = next(self.batches).to(self.device)
        self.n = len(real)
        fake = self.G(torch.randn(self.n, self.z_dim, device=self.device))
        self.d_optimizer.zero_grad()
        on_real, on_fake = self.D(real), self.D(fake.detach())
        loss = self.criterion(on_real, torch.ones_like(on_real))
        loss = loss + self.criterion(on_fake, torch.zeros_like(on_fake))
        loss.backward()
        self.d_optimizer.step()
        of_real, of_fake = on_real.sigmoid().mean().item(), on_fake.sigmoid().mean().item()
        print(f"D loss {loss.item():.4f}  D(x) {of_real:.4f}  D(G(z)) {of_fake:.4f}", file=self.line)
        return loss.item()

    def update_generator(self) -> float:
        fake = self.G(torch.randn(self.n, self.z_dim, device=self.device))
        self.g_optimizer.zero_grad()
        on_fake = self.D(fake)
        loss = self.criterion(on_fake, torch.ones_like(on_fake))
        loss.backward()
        self.g_optimizer.step()
        print(f"G loss {loss.item():.4f}", file=self.line)
        return loss.item()

    def step(self) -> None:
        self.update_discriminator()
        self.update_generator()
