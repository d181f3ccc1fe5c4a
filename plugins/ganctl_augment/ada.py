"""Adaptive discriminator augmentation: Karras et al. 2020 (arXiv:2006.06676)."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from ganctl import USAGE, GanctlError, batchwise
from ganctl_augment.resample import at_least_float32, bilinear


class ADA(nn.Module):
    """Flips, rotations, scaling and color changes, each applied to an image with a probability p that adapts to D.

    The operations and their ranges are the groups blit, geometry and color of appendix B ("bgc"). Each operation is
    sampled independently. While p stays below about 0.8, G does not learn to generate augmented images (section 2.2),
    so the augmentations need not suit the data. However, disable operations that would turn one class into another.

    p starts at 0 and follows r = E[sign(D(x))] over the last ``adjust_every`` batches of real images (section 3). p
    increases if r is above ``target``, which means that D overfits, and decreases otherwise. Each change is the
    number of images in these batches divided by 1000·``kimg``. This requires a loss that trains D to return
    positive logits for reals and negative logits for fakes (bce, minimax, hinge …). For other losses (wgan,
    lsgan, relativistic …) set ``p`` to a fixed value.

    There are two differences from the paper. Images are resampled with bilinear interpolation instead of wavelet
    filters, so images that are scaled, rotated or shifted by a fraction of a pixel become slightly softer. Pixels
    beyond the border are filled by reflection, including when a non-square image is rotated by 90°.

    Args:
        p: fixed probability; none for an adaptive probability that starts at 0.
        target: value of r at which p stays constant.
        kimg: number of real images, in thousands, in which p changes from 0 to 1.
        adjust_every: number of batches of real images between two changes of p.
        blit: flips, rotations by multiples of 90°, and shifts by whole pixels of up to 1/8 of the side length.
        geometry: scaling, rotations by any angle, stretching, and shifts by fractions of a pixel.
        color: brightness, contrast and inversion; for three channels, also hue and saturation.
        flip: allow horizontal flips; disable for digits and text.
        rotate: allow rotations, both by multiples of 90° and by any angle.

    Raises:
        GanctlError: if ``p``, ``target``, ``kimg`` or ``adjust_every`` is out of range.
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
        _check("p", p is None or 0 <= p <= 1, p, "a probability in [0, 1]")
        _check("target", -1 <= target <= 1, target, "in [−1, 1]")
        _check("kimg", 0 < kimg < math.inf, kimg, "above 0")
        _check("adjust_every", adjust_every >= 1, adjust_every, "at least 1")
        self.adaptive = p is None
        self.target, self.kimg, self.adjust_every = target, kimg, adjust_every
        self.blit, self.geometry, self.color, self.flip, self.rotate = blit, geometry, color, flip, rotate
        self.register_buffer("p", torch.tensor(float(p or 0)))
        # Sum of the signs, number of images and number of batches since p last changed.
        self.register_buffer("signs", torch.zeros(()))
        self.register_buffer("images", torch.zeros(()))
        self.register_buffer("batches", torch.zeros((), dtype=torch.int64))

    @torch.no_grad()
    def observe(self, logits: Tensor) -> None:
        """Update p from D's N logits for a batch of reals, without copying a value from the device."""
        if not self.adaptive:
            return
        self.signs.add_(batchwise.total(logits.float().sign().nan_to_num().flatten()))
        self.images.add_(batchwise.size() * logits.numel())
        self.batches.add_(1)
        due = self.batches >= self.adjust_every
        change = (self.signs / self.images - self.target).sign() * self.images / (1000 * self.kimg)
        self.p.add_(change * due).clamp_(0, 1)
        for total in (self.signs, self.images, self.batches):
            total.mul_(~due)

    def forward(self, x: Tensor) -> Tensor:
        """Augment float N×C×H×W in [−1, 1]; return the same shape and dtype. Color changes may exceed [−1, 1]."""
        out = at_least_float32(x)
        if self.blit or self.geometry:
            # Resample once for all operations. Positions are exact if no operation is applied.
            out = bilinear(out, *self._sources(x))
        if self.color:
            out = self._recolor(out)
        return out.to(x.dtype)

    def _sources(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Return the source row and column, float32 N×H×W, of each pixel of N×C×H×W.

        ``position ↦ matrix · position + shift`` inverts the operations that were applied so far, relative to the
        image's center.
        """
        (n, _, height, width), device = images.shape, images.device
        matrix = torch.eye(2, device=device).expand(n, 2, 2)
        shift = torch.zeros(n, 2, device=device)
        one, zero = torch.ones(n, device=device), torch.zeros(n, device=device)

        if self.blit:
            if self.flip:
                side = self._with_probability(1 - 2 * _bernoulli(n, device), 1)
                matrix = _product(matrix, _matrix(side, zero, zero, one))
            if self.rotate:
                quarter = self._with_probability(torch.randint(4, (n,), device=device), 0)
                # Use comparisons, because a computed cosine is not exactly 0 at 90°.
                cos = (quarter == 0).float() - (quarter == 2).float()
                sin = (quarter == 1).float() - (quarter == 3).float()
                matrix = _product(matrix, _matrix(cos, sin, -sin, cos))
            part = self._with_probability(_uniform(n, device, 2) / 8, 0)
            shift = shift - _apply(matrix, torch.stack([part[0] * width, part[1] * height], -1).round())

        if self.geometry:
            p_rotation = 1 - (1 - self.p).sqrt()  # two rotations, together applied with probability p
            matrix = matrix / self._with_probability((0.2 * torch.randn(n, device=device)).exp2(), 1).view(
                n, 1, 1
            )
            if self.rotate:
                matrix = _product(
                    matrix, _rotation(self._with_probability(math.pi * _uniform(n, device), 0, p_rotation))
                )
            stretch = self._with_probability((0.2 * torch.randn(n, device=device)).exp2(), 1)
            matrix = _product(matrix, _matrix(1 / stretch, zero, zero, stretch))
            if self.rotate:
                matrix = _product(
                    matrix, _rotation(self._with_probability(math.pi * _uniform(n, device), 0, p_rotation))
                )
            part = self._with_probability(torch.randn(2, n, device=device) / 8, 0)
            shift = shift - _apply(matrix, torch.stack([part[0] * width, part[1] * height], -1))

        x = (torch.arange(width, device=device) - (width - 1) / 2).view(1, 1, -1)
        y = (torch.arange(height, device=device) - (height - 1) / 2).view(1, -1, 1)
        to_x, to_y = matrix.view(n, 2, 2, 1, 1).unbind(1)
        column = to_x[:, 0] * x + to_x[:, 1] * y + shift[:, 0].view(n, 1, 1) + (width - 1) / 2
        row = to_y[:, 0] * x + to_y[:, 1] * y + shift[:, 1].view(n, 1, 1) + (height - 1) / 2
        return row, column

    def _recolor(self, x: Tensor) -> Tensor:
        """Change the colors through luma, the component along the gray axis, and chroma, the orthogonal component."""
        n, channels = x.shape[:2]

        def per_image(value: Tensor) -> Tensor:
            return value.to(x.dtype).view(n, 1, 1, 1)

        device = x.device
        brightness = per_image(self._with_probability(0.2 * torch.randn(n, device=device), 0))
        contrast = per_image(self._with_probability((0.5 * torch.randn(n, device=device)).exp2(), 1))
        luma = contrast * per_image(self._with_probability(1 - 2 * _bernoulli(n, device), 1))
        if channels == 1:
            return luma * (x + brightness)
        chroma = contrast * per_image(self._with_probability(torch.randn(n, device=device).exp2(), 1))
        gray = x.mean(1, keepdim=True)
        if channels != 3:
            return chroma * x + (luma * (gray + brightness) - chroma * gray)
        hue = per_image(self._with_probability(math.pi * _uniform(n, device), 0))
        # Hue rotates chroma around the gray axis v: cos θ · x + sin θ · (v × x), because v × gray is 0.
        crossed = (x.roll(1, 1) - x.roll(-1, 1)) / math.sqrt(3)
        along, across = chroma * hue.cos(), chroma * hue.sin()
        return along * x + across * crossed + (luma * (gray + brightness) - along * gray)

    def _with_probability(self, sampled: Tensor, neutral: float, p: Tensor | None = None) -> Tensor:
        """Return ``sampled``, …×N, with probability ``p`` (default: ``self.p``) per image, otherwise ``neutral``."""
        chance = torch.rand(sampled.shape[-1], device=sampled.device)
        return torch.where(chance < (self.p if p is None else p), sampled, neutral)


def _check(name: str, fits: bool, value: float | None, expected: str) -> None:
    if not fits:
        raise GanctlError(
            f"ada: {name} is {value}; it must be {expected}.",
            f"Omit '{name}' to use the default.",
            status=USAGE,
        )


def _bernoulli(n: int, device: torch.device) -> Tensor:
    """Return 0 or 1 with equal probability: float32 N."""
    return torch.randint(2, (n,), device=device).float()


def _uniform(n: int, device: torch.device, *leading: int) -> Tensor:
    """Sample uniformly from [−1, 1): float32 …×N."""
    return 2 * torch.rand(*leading, n, device=device) - 1


def _matrix(a: Tensor, b: Tensor, c: Tensor, d: Tensor) -> Tensor:
    """Stack four tensors of N entries into N×2×2, row by row."""
    return torch.stack([a, b, c, d], -1).unflatten(-1, (2, 2))


def _rotation(angle: Tensor) -> Tensor:
    cos, sin = angle.cos(), angle.sin()
    return _matrix(cos, sin, -sin, cos)


# Written out because matmul may round to TF32 or, under autocast, to bfloat16, which shifts whole pixels.
def _product(a: Tensor, b: Tensor) -> Tensor:
    return (a.unsqueeze(-1) * b.unsqueeze(-3)).sum(-2)


def _apply(a: Tensor, v: Tensor) -> Tensor:
    return (a * v.unsqueeze(-2)).sum(-1)
