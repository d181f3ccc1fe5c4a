"""What makes torch quicker on a CPU, while the same is computed."""

from __future__ import annotations

import ctypes
import functools
import platform
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # of glibc's mallopt
WORTH_IT = 2**14  # weights of a linear layer; below, calling another kernel costs more than it saves


def keep_freed_memory() -> None:
    """Let the process keep what it frees: every step asks for the same again, and pages from the kernel are slow.

    glibc only; elsewhere nothing happens. It holds for the process, which returns the memory when it ends.
    """
    if platform.libc_ver()[0] != "glibc":
        return
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):
        return
    if not mallopt(M_MMAP_THRESHOLD, 2**30):
        mallopt(M_MMAP_THRESHOLD, 2**25)  # the most that an older glibc takes
    mallopt(M_TRIM_THRESHOLD, 2**31 - 1)


def quicken(network: nn.Module) -> None:
    """Let the linear layers of ``network`` choose the quicker of torch's two libraries, where there is a choice."""
    if onednn_is_quicker():
        for module in network.modules():
            if type(module) is nn.Linear and module.weight.numel() >= WORTH_IT:
                module.__class__ = Linear


class Linear(nn.Linear):
    """nn.Linear, computed by oneDNN in float32 on a CPU."""

    def forward(self, x: Tensor) -> Tensor:
        ours = x.device.type == "cpu" and x.ndim == 2 and x.dtype == self.weight.dtype == torch.float32
        if not ours or torch.is_autocast_enabled("cpu"):
            return F.linear(x, self.weight, self.bias)
        return _Affine.apply(x, self.weight, self.bias)


class _Affine(torch.autograd.Function):
    """a·bᵀ + bias: N×K, M×K, M → N×M. Its derivatives are products of the same kind, to any order."""

    @staticmethod
    def forward(ctx: Any, a: Tensor, b: Tensor, bias: Tensor | None) -> Tensor:
        ctx.save_for_backward(a, b)
        product: Tensor = torch.ops.mkldnn._linear_pointwise(a, b, bias, "none", [], "")
        return product

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Any:
        (g,), (a, b) = gradients, ctx.saved_tensors
        needs_a, needs_b, needs_bias = (_wanted(ctx, i) for i in range(3))
        for_b = None
        if needs_b and b.is_contiguous():
            for_b = _Affine.apply(g.t(), a.t(), None)
        elif needs_b:
            # A transposed weight: laid out as the weight itself, or it would be copied where it is summed.
            for_b = _Affine.apply(a.t(), g.t(), None).t()
        return (
            _Affine.apply(g, b.t(), None) if needs_a else None,
            for_b,
            g.sum(0) if needs_bias else None,
        )


def _wanted(node: Any, i: int) -> bool:
    """Whether the backward pass that is under way asks for the gradient of input ``i``.

    ``needs_input_grad`` tells only that one could. A penalty asks for D's gradient at the images, not at the weights.
    """
    if not node.needs_input_grad[i]:
        return False
    following, _ = node.next_functions[i]
    try:
        return torch._C._will_engine_execute_node(following)
    except RuntimeError:  # a leaf that autograd.grad was asked for
        return True


@functools.cache
def onednn_is_quicker() -> bool:
    """Whether this is a processor for which MKL, torch's default for products, has no kernels of its full width."""
    if not (torch.backends.mkldnn.is_available() and hasattr(torch.ops.mkldnn, "_linear_pointwise")):
        return False
    try:
        vendor = "AuthenticAMD" in Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return False
    return vendor and torch.backends.cpu.get_cpu_capability() == "AVX512"
