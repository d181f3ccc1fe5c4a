"""Adaptive discriminator augmentation: Karras et al. 2020 (arXiv:2006.06676)."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from ganctl import USAGE, GanctlError
from ganctl_augment.resample import bilinear, wide


class ADA(nn.Module):
    """Flips, turns, scaling and color of what D sees, each per image with probability p, and p follows D.

    The groups blit, geometry and color of the paper's appendix B ("bgc"), with its ranges. Every operation is
    drawn for itself. While p stays below about 0.8 the generator does not learn to draw the augmentations
    (section 2.2), so they need not suit the data; still, switch off what would make one class another.

    p starts at 0 and follows r = E[sign(D(x))] over the last ``adjust_every`` batches of reals (section 3):
    up when r is above ``target``, that is when D knows the training images too well, else down, always by the
    images of these batches over 1000·``kimg``. This takes a loss that trains D's answer to be positive for
    reals and negative for fakes (bce, minimax, hinge, r1 …); where its zero means nothing (wgan, lsgan, the
    relativistic ones …), fix ``p``.

    Apart from the paper: pixels come from bilinear interpolation, without its wavelet filters, so images that
    are scaled, turned or moved by a fraction get a little softer. What comes from beyond the border is mirrored;
    so is what an oblong image lacks when turned by 90°.

    Args:
        p: a fixed probability; none: adaptive, from 0
        target: the r at which p rests
        kimg: thousands of real images in which p could move from 0 to 1
        adjust_every: batches of reals between two changes of p
        blit: flips, turns by 90°, moves by whole pixels up to 1/8 of the side
        geometry: scaling, turns by any angle, stretching, moves by fractions
        color: brightness, contrast, negative; with three channels hue and saturation too
        flip: whether images may be mirrored (not digits or text)
        rotate: whether images may be turned, by 90° and by any angle
    """

    p: Tensor
    signs: Tensor
    images: Tensor
    batches: Tensor

    def __init__(
        self,
        p: float | None = None,
        target: float = 0.6,
        kimg: float = 500.0,
        adjust_every: int = 4,
        blit: bool = True,
        geometry: bool = True,
        color: bool = True,
        flip: bool = True,
        rotate: bool = True,
    ) -> None:
        super().__init__()
        _check("p", p is None or 0 <= p <= 1, p, "a probability, 0 to 1")
        _check("target", -1 <= target <= 1, target, "a mean of signs, −1 to 1")
        _check("kimg", 0 < kimg < math.inf, kimg, "above 0")
        _check("adjust_every", adjust_every >= 1, adjust_every, "1 or more")
        self.adaptive = p is None
        self.target, self.kimg, self.adjust_every = target, kimg, adjust_every
        self.blit, self.geometry, self.color, self.flip, self.rotate = blit, geometry, color, flip, rotate
        self.register_buffer("p", torch.tensor(float(p or 0)))
        # Since p last changed: the sum of the signs, of how many images, in how many batches.
        self.register_buffer("signs", torch.zeros(()))
        self.register_buffer("images", torch.zeros(()))
        self.register_buffer("batches", torch.zeros((), dtype=torch.int64))

    @torch.no_grad()
    def observe(self, logits: Tensor) -> None:
        """Learns D's N logits on a batch of reals. No value leaves the device: a change that is not due is 0."""
        if not self.adaptive:
            return
        self.signs.add_(logits.float().sign().nan_to_num().sum())
        self.images.add_(logits.numel())
        self.batches.add_(1)
        due = self.batches >= self.adjust_every
        change = (self.signs / self.images - self.target).sign() * self.images / (1000 * self.kimg)
        self.p.add_(change * due).clamp_(0, 1)
        for total in (self.signs, self.images, self.batches):
            total.mul_(~due)

    def forward(self, x: Tensor) -> Tensor:
        """float N×C×H×W in [−1, 1] → the same shape and dtype; color may leave [−1, 1]."""
        out = wide(x)
        if self.blit or self.geometry:
            # One resampling for all, from positions that are exact where an operation is not applied.
            out = bilinear(out, *self._sources(x))
        if self.color:
            out = self._recolor(out)
        return out.to(x.dtype)

    def _sources(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Row and column, float32 N×H×W, that each pixel of N×C×H×W is taken from.

        ``position ↦ turn · position + shift`` undoes the operations so far, seen from the image's middle.
        """
        (n, _, height, width), device = images.shape, images.device
        turn = torch.eye(2, device=device).expand(n, 2, 2)
        shift = torch.zeros(n, 2, device=device)
        one, zero = torch.ones(n, device=device), torch.zeros(n, device=device)

        if self.blit:
            if self.flip:
                side = self._sometimes(1 - 2 * _coin(n, device), 1)
                turn = _product(turn, _matrix(side, zero, zero, one))
            if self.rotate:
                quarter = self._sometimes(torch.randint(4, (n,), device=device), 0)
                # By comparison and not by cosine, which is not quite 0 at 90°.
                cos = (quarter == 0).float() - (quarter == 2).float()
                sin = (quarter == 1).float() - (quarter == 3).float()
                turn = _product(turn, _matrix(cos, sin, -sin, cos))
            part = self._sometimes(_uniform(n, device, 2) / 8, 0)
            shift = shift - _apply(turn, torch.stack([part[0] * width, part[1] * height], -1).round())

        if self.geometry:
            p_turn = 1 - (1 - self.p).sqrt()  # two chances to turn, together p
            turn = turn / self._sometimes((0.2 * torch.randn(n, device=device)).exp2(), 1).view(n, 1, 1)
            if self.rotate:
                turn = _product(turn, _rotation(self._sometimes(math.pi * _uniform(n, device), 0, p_turn)))
            stretch = self._sometimes((0.2 * torch.randn(n, device=device)).exp2(), 1)
            turn = _product(turn, _matrix(1 / stretch, zero, zero, stretch))
            if self.rotate:
                turn = _product(turn, _rotation(self._sometimes(math.pi * _uniform(n, device), 0, p_turn)))
            part = self._sometimes(torch.randn(2, n, device=device) / 8, 0)
            shift = shift - _apply(turn, torch.stack([part[0] * width, part[1] * height], -1))

        x = (torch.arange(width, device=device) - (width - 1) / 2).view(1, 1, -1)
        y = (torch.arange(height, device=device) - (height - 1) / 2).view(1, -1, 1)
        to_x, to_y = turn.view(n, 2, 2, 1, 1).unbind(1)
        column = to_x[:, 0] * x + to_x[:, 1] * y + shift[:, 0].view(n, 1, 1) + (width - 1) / 2
        row = to_y[:, 0] * x + to_y[:, 1] * y + shift[:, 1].view(n, 1, 1) + (height - 1) / 2
        return row, column

    def _recolor(self, x: Tensor) -> Tensor:
        """Works on luma, the part along the gray axis, and on the rest, chroma, which are at right angles."""
        n, channels = x.shape[:2]

        def per_image(value: Tensor) -> Tensor:
            return value.to(x.dtype).view(n, 1, 1, 1)

        device = x.device
        brightness = per_image(self._sometimes(0.2 * torch.randn(n, device=device), 0))
        contrast = per_image(self._sometimes((0.5 * torch.randn(n, device=device)).exp2(), 1))
        luma = contrast * per_image(self._sometimes(1 - 2 * _coin(n, device), 1))
        if channels == 1:
            return luma * (x + brightness)
        chroma = contrast * per_image(self._sometimes(torch.randn(n, device=device).exp2(), 1))
        gray = x.mean(1, keepdim=True)
        if channels != 3:
            return chroma * x + (luma * (gray + brightness) - chroma * gray)
        hue = per_image(self._sometimes(math.pi * _uniform(n, device), 0))
        # Hue turns chroma about the gray axis v: cos θ · x + sin θ · (v × x), as v × gray is 0.
        crossed = (x.roll(1, 1) - x.roll(-1, 1)) / math.sqrt(3)
        along, across = chroma * hue.cos(), chroma * hue.sin()
        return along * x + across * crossed + (luma * (gray + brightness) - along * gray)

    def _sometimes(self, drawn: Tensor, otherwise: float, p: Tensor | None = None) -> Tensor:
        """``drawn`` (…×N) with probability ``p`` (self.p) for each of the N images, else ``otherwise``."""
        chance = torch.rand(drawn.shape[-1], device=drawn.device)
        return torch.where(chance < (self.p if p is None else p), drawn, otherwise)


def _check(name: str, fits: bool, value: float | None, what: str) -> None:
    if not fits:
        raise GanctlError(f"ada's {name} is {value}.", f"It must be {what}.", status=USAGE)


def _coin(n: int, device: torch.device) -> Tensor:
    """0 or 1: float32 N."""
    return torch.randint(2, (n,), device=device).float()


def _uniform(n: int, device: torch.device, *leading: int) -> Tensor:
    """From [−1, 1): float32 …×N."""
    return 2 * torch.rand(*leading, n, device=device) - 1


def _matrix(a: Tensor, b: Tensor, c: Tensor, d: Tensor) -> Tensor:
    """N each → N×2×2, row by row."""
    return torch.stack([a, b, c, d], -1).unflatten(-1, (2, 2))


def _rotation(angle: Tensor) -> Tensor:
    cos, sin = angle.cos(), angle.sin()
    return _matrix(cos, sin, -sin, cos)


# Written out: matmul may round to TF32 or, under autocast, to bfloat16, which is pixels wide.
def _product(a: Tensor, b: Tensor) -> Tensor:
    return (a.unsqueeze(-1) * b.unsqueeze(-3)).sum(-2)


def _apply(a: Tensor, v: Tensor) -> Tensor:
    return (a * v.unsqueeze(-2)).sum(-1)
