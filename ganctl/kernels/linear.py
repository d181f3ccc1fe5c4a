"""Faster linear layers and memory allocation on CPUs, with the same results up to rounding."""

from __future__ import annotations

import ctypes
import functools
import platform
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # parameters of glibc's mallopt
MIN_WEIGHTS = 2**14  # in smaller layers, calling a different kernel costs more than it saves


def keep_freed_memory() -> None:
    """Make the process keep freed memory for its lifetime.

    Every step allocates the same memory again, and getting new pages from the operating system is slow. Without glibc,
    this function does nothing.
    """
    if platform.libc_ver()[0] != "glibc":
        return
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):
        return
    if not mallopt(M_MMAP_THRESHOLD, 2**30):
        mallopt(M_MMAP_THRESHOLD, 2**25)  # the maximum in older versions of glibc
    mallopt(M_TRIM_THRESHOLD, 2**31 - 1)


def use_fastest_kernels(network: nn.Module) -> None:
    """Make large linear layers of ``network`` use oneDNN if oneDNN is faster than MKL on this processor."""
    if onednn_is_faster():
        for module in network.modules():
            if type(module) is nn.Linear and module.weight.numel() >= MIN_WEIGHTS:
                module.__class__ = Linear


class Linear(nn.Linear):
    """An nn.Linear that uses oneDNN for float32 tensors on a CPU."""

    def forward(self, x: Tensor) -> Tensor:
        supported = x.device.type == "cpu" and x.ndim == 2 and x.dtype == self.weight.dtype == torch.float32
        if not supported or torch.is_autocast_enabled("cpu"):
            return F.linear(x, self.weight, self.bias)
        return _Affine.apply(x, self.weight, self.bias)


class _Affine(torch.autograd.Function):
    """a·bᵀ + bias: N×K, M×K, M → N×M. Derivatives of any order are products of the same form."""

    @staticmethod
    def forward(ctx: Any, a: Tensor, b: Tensor, bias: Tensor | None) -> Tensor:
        ctx.save_for_backward(a, b)
        product: Tensor = torch.ops.mkldnn._linear_pointwise(a, b, bias, "none", [], "")
        return product

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Any:
        (g,), (a, b) = gradients, ctx.saved_tensors
        needs_a, needs_b, needs_bias = (_is_needed(ctx, i) for i in range(3))
        for_b = None
        if needs_b and b.is_contiguous():
            for_b = _Affine.apply(g.t(), a.t(), None)
        elif needs_b:
            # b is a transposed weight. If the gradient has the same layout, accumulating it needs no copy.
            for_b = _Affine.apply(a.t(), g.t(), None).t()
        return (
            _Affine.apply(g, b.t(), None) if needs_a else None,
            for_b,
            g.sum(0) if needs_bias else None,
        )


def _is_needed(node: Any, i: int) -> bool:
    """Return True if the current backward pass needs the gradient with respect to input ``i``.

    ``needs_input_grad`` only indicates that the gradient can be computed. A gradient penalty needs D's gradient with
    respect to the images but not with respect to the weights.
    """
    if not node.needs_input_grad[i]:
        return False
    next_node, _ = node.next_functions[i]
    try:
        return torch._C._will_engine_execute_node(next_node)
    except RuntimeError:  # a leaf that was passed to autograd.grad
        return True


@functools.cache
def onednn_is_faster() -> bool:
    """Return True if oneDNN is faster on this processor than MKL, torch's default for matrix products.

    This is the case on AMD processors with AVX-512, because MKL has no kernels for their full vector width.
    """
    if not (torch.backends.mkldnn.is_available() and hasattr(torch.ops.mkldnn, "_linear_pointwise")):
        return False
    try:
        vendor = "AuthenticAMD" in Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return False
    return vendor and torch.backends.cpu.get_cpu_capability() == "AVX512"
