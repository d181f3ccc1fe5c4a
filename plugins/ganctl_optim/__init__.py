"""Optimizers: torch's own classes by address, so that every option torch gives them is ours too."""

from __future__ import annotations

import ganctl


@ganctl.hookimpl
def register_optimizers(register: ganctl.Register) -> None:
    register("adam", "torch.optim:Adam", summary="Adaptive moments (Kingma & Ba 2015)")
    register("adamw", "torch.optim:AdamW", summary="Adam, weight decay apart (Loshchilov & Hutter 2019)")
    register("rmsprop", "torch.optim:RMSprop", summary="Gradient over its RMS (Tieleman & Hinton 2012)")
    register("sgd", "torch.optim:SGD", summary="Stochastic gradient descent, with momentum if wanted")
