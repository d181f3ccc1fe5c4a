"""Regularizers: terms that are added to the loss of D or of G, whatever the loss is."""

from __future__ import annotations

import ganctl

REGULARIZERS = {
    "r1": ("zero_centered:R1", "Zero-centered gradient penalty at reals (Mescheder et al. 2018)"),
    "r2": ("zero_centered:R2", "Zero-centered gradient penalty at fakes (Mescheder et al. 2018)"),
    "gradient-penalty": (
        "between:GradientPenalty",
        "Gradient penalty between reals and fakes (Gulrajani et al. 2017)",
    ),
    "dragan": ("between:DRAGAN", "Gradient penalty around reals (Kodali et al. 2017)"),
    "path-length": ("path_length:PathLength", "Constant path length of G (Karras et al. 2020)"),
    "lecam": ("lecam:LeCam", "D's logits stay near their running means, for little data (Tseng et al. 2021)"),
    "consistency": ("consistency:Consistency", "D ignores shifts and mirroring of reals (Zhang et al. 2020)"),
    "balanced-consistency": (
        "consistency:BalancedConsistency",
        "D ignores shifts and mirroring of reals and fakes (Zhao et al. 2021)",
    ),
    "zcr": ("consistency:LatentConsistency", "D ignores small changes of z, G does not (Zhao et al. 2021)"),
    "diversity": ("diversity:Diversity", "Different z give different samples (Mao et al. 2019)"),
    "orthogonal": ("orthogonal:Orthogonal", "Orthogonal weights of G (Brock et al. 2019)"),
}


@ganctl.hookimpl
def register_regularizers(register: ganctl.Register) -> None:
    for name, (address, summary) in REGULARIZERS.items():
        register(name, f"ganctl_regularizers.{address}", summary=summary)
