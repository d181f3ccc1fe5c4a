"""Where G's input comes from."""

from __future__ import annotations

import ganctl


@ganctl.hookimpl
def register_latents(register: ganctl.Register) -> None:
    register("normal", "ganctl.latent:Normal", summary="Independent numbers ~ N(0, 1)")
    register(
        "uniform", "ganctl.latent:Uniform", summary="Independent numbers ~ U(−1, 1) (Radford et al. 2015)"
    )
    register(
        "codes", "ganctl:Codes", summary="Noise, and codes that get a meaning (Chen et al. 2016, InfoGAN)"
    )
