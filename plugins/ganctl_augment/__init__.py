"""Augmentation of what D sees, so that few images go further."""

from __future__ import annotations

import ganctl


@ganctl.hookimpl
def register_augmentations(register: ganctl.Register) -> None:
    register(
        "diffaug",
        "ganctl_augment.diffaug:DiffAugment",
        summary="Color, translation and cutout on every image (Zhao et al. 2020)",
    )
    register(
        "ada",
        "ganctl_augment.ada:ADA",
        summary="Flips, turns, scaling and color, as often as D overfits (Karras et al. 2020)",
    )
