"""Augmentations of the images that D sees, for training on small datasets."""

from __future__ import annotations

import ganctl


@ganctl.hookimpl
def register_augmentations(register: ganctl.Register) -> None:
    register(
        "diffaug",
        "ganctl_augment.diffaug:DiffAugment",
        summary="Color jitter, translation and cutout of every image (Zhao et al. 2020)",
    )
    register(
        "ada",
        "ganctl_augment.ada:ADA",
        summary="Flips, rotations, scaling and color, adapted to D's overfitting (Karras et al. 2020)",
    )
