"""Image datasets: torchvision datasets, folders and zip files of images, and generated glyphs."""

from __future__ import annotations

import ganctl


@ganctl.hookimpl
def register_datasets(register: ganctl.Register) -> None:
    sets = "ganctl_vision.torchvision_datasets"
    register("mnist", f"{sets}:mnist", summary="Handwritten digits, 28×28 gray, 60,000 images")
    register("fashion-mnist", f"{sets}:fashion_mnist", summary="Clothing, 28×28 gray, 60,000 images")
    register("kmnist", f"{sets}:kmnist", summary="Cursive Japanese characters, 28×28 gray, 60,000 images")
    register(
        "emnist",
        f"{sets}:emnist",
        summary="Handwritten letters and digits, 28×28 gray, 112,800 images by default",
    )
    register(
        "cifar10", f"{sets}:cifar10", summary="Animals and vehicles, 32×32 color, 50,000 images in 10 classes"
    )
    register(
        "cifar100",
        f"{sets}:cifar100",
        summary="Objects, animals and people, 32×32 color, 50,000 images in 100 classes",
    )
    register("svhn", f"{sets}:svhn", summary="House numbers, 32×32 color, 73,257 images (requires scipy)")
    register(
        "stl10", f"{sets}:stl10", summary="Animals and vehicles, 96×96 color, 100,000 images without labels"
    )
    register(
        "celeba", f"{sets}:celeba", summary="Faces, 178×218 color, 162,770 images (download requires gdown)"
    )
    register("folder", "ganctl_vision.folder:folder", summary="Your own images in a folder or zip file")
    register(
        "glyphs",
        "ganctl_vision.glyphs:glyphs",
        summary="Digits drawn with random variations, 28×28 gray (no download)",
    )
