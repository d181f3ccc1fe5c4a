"""The losses of G and D, as published."""

from __future__ import annotations

import ganctl

LOSSES = {
    "bce": ("cross_entropy:BCE", "Binary cross-entropy, non-saturating for G (Goodfellow et al. 2014)"),
    "minimax": (
        "cross_entropy:Minimax",
        "Binary cross-entropy as a minimax game, saturating for G (Goodfellow et al. 2014)",
    ),
    "dragan": (
        "cross_entropy:DRAGAN",
        "Binary cross-entropy, gradient penalty around real images (Kodali et al. 2017)",
    ),
    "bgan": (
        "cross_entropy:BoundarySeeking",
        "Boundary-seeking: G is trained toward D(G(z)) = ½ (Hjelm et al. 2018)",
    ),
    "lsgan": ("lsgan:LSGAN", "Least squares (Mao et al. 2017)"),
    "hinge": ("hinge:Hinge", "Hinge (Lim & Ye 2017)"),
    "wgan": ("wasserstein:WGAN", "Wasserstein distance, weight clipping (Arjovsky et al. 2017)"),
    "wgan-gp": ("wasserstein:WGANGP", "Wasserstein distance, gradient penalty (Gulrajani et al. 2017)"),
    "wgan-div": ("wasserstein:WGANDiv", "Wasserstein divergence (Wu et al. 2018)"),
    "relativistic": (
        "relativistic:Relativistic",
        "Compares each real image with a fake (Jolicoeur-Martineau 2018)",
    ),
    "relativistic-average": (
        "relativistic:RelativisticAverage",
        "Compares each image with the mean of the opposite kind (Jolicoeur-Martineau 2018)",
    ),
    "r3gan": (
        "relativistic:R3GAN",
        "Relativistic, zero-centered gradient penalties on reals and fakes (Huang et al. 2024)",
    ),
    "softmax": ("softmax:SoftmaxGAN", "One softmax over the batch (Lin 2017)"),
    "began": ("autoencoder:BEGAN", "Boundary equilibrium; D is an autoencoder (Berthelot et al. 2017)"),
    "ebgan": ("autoencoder:EBGAN", "Energy with a margin; D is an autoencoder (Zhao et al. 2017)"),
    "acgan": ("acgan_infogan:ACGAN", "Binary cross-entropy; D also predicts the class (Odena et al. 2017)"),
    "infogan": ("acgan_infogan:InfoGAN", "Binary cross-entropy; D also predicts the code (Chen et al. 2016)"),
}


@ganctl.hookimpl
def register_losses(register: ganctl.Register) -> None:
    for name, (address, summary) in LOSSES.items():
        register(name, f"ganctl_losses.{address}", summary=summary)
