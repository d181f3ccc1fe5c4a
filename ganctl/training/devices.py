"""Choose a device, configure its arithmetic, and save the state of its random numbers."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from ganctl.errors import USAGE, GanctlError


def choose_device(name: str) -> torch.device:
    """Return the device ``name``. For ``"auto"``: CUDA if available, otherwise MPS, otherwise the CPU.

    Raises:
        GanctlError: There is no such device, or this version of torch does not support it.
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
            "Give auto, cpu, cuda, cuda:N or mps. List the devices of this machine: ganctl doctor",
            status=USAGE,
        ) from error
    if device.type not in ("cpu", "cuda", "mps"):
        raise GanctlError(
            f"Training on '{name}' is not supported.",
            "Give auto, cpu, cuda, cuda:N or mps.",
            status=USAGE,
        )
    return device


@contextmanager
def arithmetic(precision: str, *, deterministic: bool = False) -> Iterator[None]:
    """Configure the arithmetic of torch inside the block, and restore it afterwards.

    Args:
        precision: ``"fp32"`` for full float32; otherwise matrix products and convolutions in float32 may use TF32.
        deterministic: use only kernels that compute the same bits every time, instead of the fastest kernels.

    Raises:
        GanctlError: an operation has no deterministic kernel.
    """
    cudnn = torch.backends.cudnn
    before = torch.get_float32_matmul_precision(), cudnn.allow_tf32, cudnn.benchmark, cudnn.deterministic
    strict = torch.are_deterministic_algorithms_enabled()
    # With bf16, the few operations that remain in float32 may use TF32: most values have only 8 bits anyway.
    torch.set_float32_matmul_precision("highest" if precision == "fp32" else "high")
    cudnn.allow_tf32, cudnn.benchmark = precision != "fp32", not deterministic
    if deterministic:
        os.environ.setdefault(
            "CUBLAS_WORKSPACE_CONFIG", ":4096:8"
        )  # otherwise cuBLAS may change the order of sums
        cudnn.deterministic = True
        torch.use_deterministic_algorithms(True)
    try:
        yield
    except RuntimeError as error:
        if not deterministic or "does not have a deterministic implementation" not in str(error):
            raise
        raise GanctlError(
            f"An operation in this step has no deterministic kernel: {str(error).split('.')[0]}.",
            "Train without --deterministic.",
        ) from error
    finally:
        torch.set_float32_matmul_precision(before[0])
        _, cudnn.allow_tf32, cudnn.benchmark, cudnn.deterministic = before
        torch.use_deterministic_algorithms(strict)


def rng_state(device: torch.device) -> dict[str, torch.Tensor]:
    """Return the states of torch's random number generators on the CPU and on ``device``."""
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


@contextmanager
def preserve_rng(device: torch.device) -> Iterator[None]:
    """Restore torch's random numbers after the block."""
    state = rng_state(device)
    try:
        yield
    finally:
        set_rng_state(state, device)
