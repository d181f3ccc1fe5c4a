"""Operations over the whole batch, for losses and layers that combine several images.

In a run on several devices, each process has some rows of the batch. The engine averages the gradients of the
processes, which is sufficient for a loss that is a mean over images. A loss or layer that combines values of different
images, such as a relativistic average or a minibatch standard deviation, needs all rows and must use the functions of
this module. On one device, these functions are plain arithmetic. On several devices, they make the result independent
of the number of devices. They are twice differentiable.

All processes have the same number of rows and must call the same functions in the same order.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Protocol

import torch
from torch import Tensor


class Group(Protocol):
    """The processes that share a batch."""

    rank: int
    size: int

    def gather(self, x: Tensor) -> Tensor:
        """Return the rows of all processes in rank order: N×… → size·N×…, differentiable."""


_group: ContextVar[Group | None] = ContextVar("ganctl_group", default=None)


@contextmanager
def use_group(group: Group) -> Iterator[None]:
    """Make the functions of this module combine the rows of all processes of ``group`` within the context."""
    token = _group.set(group)
    try:
        yield
    finally:
        _group.reset(token)


def whole(x: Tensor) -> Tensor:
    """Return the rows of the whole batch: N×… → M×…, where M is N times the number of processes."""
    group = _group.get()
    return x if group is None else group.gather(x)


def mean(x: Tensor) -> Tensor:
    """Return the mean over the rows of the whole batch: N×… → …"""
    group = _group.get()
    return x.mean(0) if group is None else group.gather(x.mean(0, keepdim=True)).mean(0)


def total(x: Tensor) -> Tensor:
    """Return the sum over the rows of the whole batch: N×… → …"""
    group = _group.get()
    return x.sum(0) if group is None else group.gather(x.sum(0, keepdim=True)).sum(0)


def std(x: Tensor) -> Tensor:
    """Return the standard deviation of all values of the whole batch, a scalar."""
    if _group.get() is None:
        return x.std()
    values = x.flatten()
    center = mean(values.mean().reshape(1))
    squares = total((values - center).square().sum().reshape(1))
    return (squares / (size() * values.numel() - 1)).sqrt()


def size() -> int:
    """Return the number of processes that share the batch."""
    group = _group.get()
    return 1 if group is None else group.size


def rand_like(x: Tensor) -> Tensor:
    """Return uniform random numbers in [0, 1) for the rows of ``x``, with the shape, dtype and device of ``x``.

    The numbers are drawn for the whole batch, so they do not depend on the number of processes.
    """
    return _own_rows(torch.rand(_whole_shape(x), dtype=x.dtype, device=x.device))


def randn_like(x: Tensor) -> Tensor:
    """Return standard normal random numbers for the rows of ``x``, analogous to :func:`rand_like`."""
    return _own_rows(torch.randn(_whole_shape(x), dtype=x.dtype, device=x.device))


def _whole_shape(x: Tensor) -> tuple[int, ...]:
    return (size() * x.shape[0], *x.shape[1:])


def _own_rows(drawn: Tensor) -> Tensor:
    group = _group.get()
    return drawn if group is None else drawn.chunk(group.size)[group.rank]
