"""Estimate the time of a step before the first step, from forward passes of a few images."""

from __future__ import annotations

import time
from collections.abc import Callable

import torch
from torch import Tensor, nn

from ganctl.dataset import Images
from ganctl.training.devices import preserve_rng
from ganctl.training.engine import Engine
from ganctl.training.network_calls import DiscriminatorCall, GeneratorCall

FEW, MORE = 2, 6  # images per forward pass
REPETITIONS = 3


def estimate_seconds_per_step(engine: Engine, images: Images) -> float:
    """Return the estimated seconds of a step. The training run does not change.

    The factors are those of the passes in a step: each D update needs a forward and a backward pass of D on reals and
    on fakes, and samples from G. The G update needs a forward pass and a backward pass through D, and a backward pass
    through G. A backward pass takes about twice as long as a forward pass. A gradient penalty doubles the work of D.
    """
    G, D = GeneratorCall(engine.G), DiscriminatorCall(engine.D).for_component(0)

    def first(part: Tensor | None, n: int) -> Tensor | None:
        return None if part is None else part[:n].to(engine.device)

    def sample(n: int) -> object:
        return G(engine.latent.sample(n, engine.device), first(images.y, n), first(images.c, n))

    def classify(n: int) -> object:
        x = torch.zeros(n, *images.shape, device=engine.device)
        return D(x, first(images.y, n), first(images.c, n))

    with preserve_rng(engine.device), torch.no_grad():
        g = _seconds(engine.G, sample, engine.batch_size)
        d = _seconds(engine.D, classify, engine.batch_size)
    penalties = float(engine.loss.penalizes_gradient)
    penalties += sum(1 / r.every for r in engine.regularizers.values() if r.penalizes_gradient)
    d_update, g_update = g + 6 * d * (1 + penalties), 3 * d + 2 * g
    return engine.n_critic * d_update + engine.n_generator * g_update


def _seconds(network: nn.Module, forward: Callable[[int], object], batch_size: int) -> float:
    """Return the estimated seconds of a forward pass of ``batch_size`` images in evaluation mode.

    A pass has a constant cost and a cost per image. Each is measured with the fastest of a few passes, because other
    programs may slow down some of them.
    """
    training = [module for module in network.modules() if module.training]
    network.eval()  # leaves all buffers as they are
    try:
        few, more = (_fastest(forward, min(n, batch_size)) for n in (FEW, MORE))
    finally:
        for module in training:
            module.training = True
    if batch_size <= MORE:
        return more
    per_image = max(0.0, more - few) / (MORE - FEW)
    return few + per_image * (batch_size - FEW)


def _fastest(forward: Callable[[int], object], n: int) -> float:
    forward(n)  # the first pass allocates memory
    times = []
    for _ in range(REPETITIONS):
        started = time.perf_counter()
        forward(n)
        times.append(time.perf_counter() - started)
    return min(times)
