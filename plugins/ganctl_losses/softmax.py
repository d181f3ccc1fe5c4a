"""Softmax loss."""

from __future__ import annotations

import torch
from torch import Tensor

from ganctl import Batch, Critic, Loss, batchwise, logits


class SoftmaxGAN(Loss):
    """Lin 2017 (arXiv:1704.06191): one softmax over all real and fake images of a step.

    With log Z = log(Σ exp d(x) + Σ exp d(G(z))) over the N real and N fake images, D minimizes −E d(x) + log Z. Its
    target is a probability of 1/N for each real image and 0 for each fake. G minimizes −½E d(x) − ½E d(G(z)) + log Z.
    Its target is 1/(2N) for every image. Reported values: ``D(x)`` and ``D(G(z))``, the total probabilities of all
    reals and all fakes.
    """

    def discriminator_loss(self, D: Critic, real: Batch, fake: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        on_real, on_fake = logits(D, real), logits(D, fake)
        all_real = batchwise.whole(on_real)
        log_z = torch.cat([all_real, batchwise.whole(on_fake)]).logsumexp(0)
        probability = (all_real.logsumexp(0) - log_z).exp()
        return log_z - on_real.mean(), {"D(x)": probability, "D(G(z))": 1 - probability}

    def generator_loss(self, D: Critic, real: Batch, fake: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        on_all = torch.cat([logits(D, real), logits(D, fake)])
        return batchwise.whole(on_all).logsumexp(0) - on_all.mean(), {}
