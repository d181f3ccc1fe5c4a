"""Latent distributions: the input of G."""

from __future__ import annotations

import ganctl


@ganctl.hookimpl
def register_latents(register: ganctl.Register) -> None:
    register("normal", "ganctl.latent:Normal", summary="Independent values from N(0, 1)")
    register(
        "uniform", "ganctl.latent:Uniform", summary="Independent values from U(−1, 1) (Radford et al. 2015)"
    )
    register("codes", "ganctl:Codes", summary="Noise and interpretable codes (Chen et al. 2016, InfoGAN)")
