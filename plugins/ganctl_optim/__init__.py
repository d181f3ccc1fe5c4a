"""Optimizers from torch.optim, with all their options."""

from __future__ import annotations

import ganctl


@ganctl.hookimpl
def register_optimizers(register: ganctl.Register) -> None:
    register("adam", "torch.optim:Adam", summary="Adaptive moment estimation (Kingma & Ba 2015)")
    register(
        "adamw", "torch.optim:AdamW", summary="Adam with decoupled weight decay (Loshchilov & Hutter 2019)"
    )
    register(
        "rmsprop",
        "torch.optim:RMSprop",
        summary="Gradient divided by its root mean square (Tieleman & Hinton 2012)",
    )
    register("sgd", "torch.optim:SGD", summary="Stochastic gradient descent, optionally with momentum")
