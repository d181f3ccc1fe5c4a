"""Functions that open an image. This module must not import torch, because worker processes import this module."""

from __future__ import annotations

import os
import signal
import sys
import time

from PIL import Image


def plain(name: str, folder: str) -> Image.Image:
    return Image.open(os.path.join(folder, name))


def counted(name: str, folder: str) -> Image.Image:
    """Open an image and append a line to the file ``FOLDER.opened``."""
    with open(f"{folder}.opened", "a") as file:
        file.write(f"{os.getpid()} {name}\n")
    return plain(name, folder)


def slow(name: str, folder: str) -> Image.Image:
    time.sleep(0.02)
    return counted(name, folder)


def crashing(name: str, folder: str) -> Image.Image:
    """Crash the process, as a decoder written in C may do when it reads a damaged file."""
    if "crash" in name:
        os.kill(os.getpid(), signal.SIGSEGV)
    return plain(name, folder)


def always_crashing(name: str, folder: str) -> Image.Image:
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError


def printing(name: str, folder: str) -> Image.Image:
    print("a library that prints", flush=True)
    os.write(1, b"and one that writes to the descriptor\n")
    return plain(name, folder)


def without_torch(name: str, folder: str) -> Image.Image:
    if "torch" in sys.modules:
        raise RuntimeError("torch was imported")
    return plain(name, folder)
