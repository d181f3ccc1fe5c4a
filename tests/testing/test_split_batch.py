"""Test the check for losses that depend on the number of devices."""

from __future__ import annotations

from typing import Any

import pytest
from torch import Tensor
from torch.nn.functional import softplus

from ganctl import Batch, Loss, batchwise, logits
from ganctl.testing import check_loss


class MeanOfTheBatch(Loss):
    """A relativistic average computed without ganctl.batchwise."""

    def combined(self, x: Tensor) -> Tensor:
        return x.mean()

    def discriminator_loss(self, D: Any, real: Batch, fake: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        r, f = logits(D, real), logits(D, fake)
        loss = softplus(-(r - self.combined(f))).mean() + softplus(f - self.combined(r)).mean()
        return loss, {"D(x)": r.mean(), "D(G(z))": f.mean()}

    def generator_loss(self, D: Any, real: Batch, fake: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        return softplus(-logits(D, fake)).mean(), {}


class MeanOfTheWholeBatch(MeanOfTheBatch):
    def combined(self, x: Tensor) -> Tensor:
        return batchwise.mean(x)


def test_loss_that_mixes_images_is_reported() -> None:
    messages = [failure.problem for failure in check_loss(MeanOfTheBatch)]
    assert any("number of devices" in message for message in messages)


def test_loss_that_uses_batchwise_passes() -> None:
    assert check_loss(MeanOfTheWholeBatch) == []


@pytest.mark.parametrize("name", ["relativistic-average", "softmax", "ebgan", "began", "hinge", "wgan"])
def test_builtin_losses_pass(name: str) -> None:
    assert check_loss(name) == []
