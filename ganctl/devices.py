"""Which device to use, and how its arithmetic is set."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from ganctl.errors import USAGE, GanctlError


def choose_device(name: str) -> torch.device:
    """``auto``: CUDA where there is one, else Apple's, else the CPU; otherwise the device of that name.

    Raises:
        GanctlError: no device of that name, or this torch cannot use it.
    """
    if name == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda", torch.cuda.current_device())
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        reason = str(error).splitlines()[0]
        raise GanctlError(
            f"The device '{name}' cannot be used: {reason}",
            "Devices are auto, cpu, cuda, cuda:N and mps; see what this machine has: ganctl doctor",
            status=USAGE,
        ) from error
    if device.type not in ("cpu", "cuda", "mps"):
        raise GanctlError(
            f"ganctl does not train on '{name}'.",
            "Devices are auto, cpu, cuda, cuda:N and mps.",
            status=USAGE,
        )
    return device


@contextmanager
def arithmetic(precision: str) -> Iterator[None]:
    """Matrix products and convolutions of float32 in TF32 or full, as ``precision`` asks; set back afterwards."""
    before = torch.get_float32_matmul_precision(), torch.backends.cudnn.allow_tf32
    # bf16 keeps 8 bits anyway, so what little stays in float32 may use TF32.
    torch.set_float32_matmul_precision("highest" if precision == "fp32" else "high")
    torch.backends.cudnn.allow_tf32 = precision != "fp32"
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before[0])
        torch.backends.cudnn.allow_tf32 = before[1]


def rng_state(device: torch.device) -> dict[str, torch.Tensor]:
    """The state of torch's random numbers on the CPU and on ``device``."""
    state = {"cpu": torch.get_rng_state()}
    if device.type == "cuda":
        state["cuda"] = torch.cuda.get_rng_state(device)
    if device.type == "mps":
        state["mps"] = torch.mps.get_rng_state()
    return state


def set_rng_state(state: dict[str, torch.Tensor], device: torch.device) -> None:
    torch.set_rng_state(state["cpu"])
    if device.type == "cuda" and "cuda" in state:
        torch.cuda.set_rng_state(state["cuda"], device)
    if device.type == "mps" and "mps" in state:
        torch.mps.set_rng_state(state["mps"])
