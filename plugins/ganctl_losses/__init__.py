"""The objectives of G and D, each once, as its paper has it."""

from __future__ import annotations

import ganctl

LOSSES = {
    "bce": ("cross_entropy:BCE", "Binary cross-entropy, non-saturating G (Goodfellow et al. 2014)"),
    "minimax": (
        "cross_entropy:Minimax",
        "Binary cross-entropy as one minimax game, saturating G (Goodfellow et al. 2014)",
    ),
    "r1": (
        "cross_entropy:R1",
        "Binary cross-entropy, zero-centered penalty at real images (Mescheder et al. 2018)",
    ),
    "dragan": (
        "cross_entropy:DRAGAN",
        "Binary cross-entropy, penalty around real images (Kodali et al. 2017)",
    ),
    "bgan": ("cross_entropy:BoundarySeeking", "Boundary-seeking: G aims at D = ½ (Hjelm et al. 2018)"),
    "lsgan": ("lsgan:LSGAN", "Least squares (Mao et al. 2017)"),
    "hinge": ("hinge:Hinge", "Hinge (Lim & Ye 2017)"),
    "wgan": ("wasserstein:WGAN", "Wasserstein distance, D's weights clipped (Arjovsky et al. 2017)"),
    "wgan-gp": ("wasserstein:WGANGP", "Wasserstein distance, gradient penalty (Gulrajani et al. 2017)"),
    "wgan-div": ("wasserstein:WGANDiv", "Wasserstein divergence (Wu et al. 2018)"),
    "relativistic": ("relativistic:Relativistic", "Each real against a fake (Jolicoeur-Martineau 2018)"),
    "relativistic-average": (
        "relativistic:RelativisticAverage",
        "Each image against the mean of the other kind (Jolicoeur-Martineau 2018)",
    ),
    "r3gan": (
        "relativistic:R3GAN",
        "Relativistic, zero-centered penalties at reals and fakes (Huang et al. 2024)",
    ),
    "softmax": ("softmax:SoftmaxGAN", "One softmax over the batch (Lin 2017)"),
    "began": ("autoencoder:BEGAN", "Boundary equilibrium; D is an autoencoder (Berthelot et al. 2017)"),
    "ebgan": ("autoencoder:EBGAN", "Energy with a margin; D is an autoencoder (Zhao et al. 2017)"),
    "acgan": ("auxiliary:ACGAN", "Binary cross-entropy; D also tells the class (Odena et al. 2017)"),
    "infogan": ("auxiliary:InfoGAN", "Binary cross-entropy; D also guesses the code (Chen et al. 2016)"),
}


@ganctl.hookimpl
def register_losses(register: ganctl.Register) -> None:
    for name, (address, summary) in LOSSES.items():
        register(name, f"ganctl_losses.{address}", summary=summary)
