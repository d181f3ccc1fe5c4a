"""Datasets of images: torchvision's, folders and zips of one's own pictures, and glyphs that need no download."""

from __future__ import annotations

import ganctl


@ganctl.hookimpl
def register_datasets(register: ganctl.Register) -> None:
    sets = "ganctl_vision.torchvision_sets"
    register("mnist", f"{sets}:mnist", summary="Handwritten digits, 28×28 gray, 60,000")
    register("fashion-mnist", f"{sets}:fashion_mnist", summary="Clothes, 28×28 gray, 60,000")
    register("kmnist", f"{sets}:kmnist", summary="Cursive Japanese characters, 28×28 gray, 60,000")
    register(
        "emnist", f"{sets}:emnist", summary="Handwritten letters and digits, 28×28 gray, 112,800 or more"
    )
    register("cifar10", f"{sets}:cifar10", summary="Animals and vehicles, 32×32 color, 50,000 in 10 classes")
    register("cifar100", f"{sets}:cifar100", summary="Things and beings, 32×32 color, 50,000 in 100 classes")
    register("svhn", f"{sets}:svhn", summary="House numbers, 32×32 color, 73,257 (needs scipy)")
    register("stl10", f"{sets}:stl10", summary="Animals and vehicles, 96×96 color, 100,000 without labels")
    register("celeba", f"{sets}:celeba", summary="Faces, 178×218 color, 162,770 (download needs gdown)")
    register("folder", "ganctl_vision.folder:folder", summary="Your own pictures: a folder or a zip of them")
    register("glyphs", "ganctl_vision.glyphs:glyphs", summary="Drawn digits, 28×28 gray, needs no download")
