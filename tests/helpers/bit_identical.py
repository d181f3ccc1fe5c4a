"""Checks that two runs, or two states, are bit-identical."""

from __future__ import annotations

from typing import Any

import torch

from ganctl.runs import checkpoint
from ganctl.runs.folder import Run


def assert_same_state(a: Any, b: Any, where: str = "") -> None:
    """Check that two nested states have equal types, keys and dtypes and bit-identical values."""
    assert type(a) is type(b), where
    if isinstance(a, torch.Tensor):
        assert a.dtype == b.dtype, where
        assert torch.equal(a.view(torch.uint8) if a.dtype == torch.bool else a, b), where
    elif isinstance(a, dict):
        assert list(a) == list(b), where
        for key in a:
            assert_same_state(a[key], b[key], f"{where}/{key}")
    elif isinstance(a, (list, tuple)):
        assert len(a) == len(b), where
        for i, (x, y) in enumerate(zip(a, b, strict=True)):
            assert_same_state(x, y, f"{where}/{i}")
    else:
        assert a == b, where


def assert_same_run(a: Run, b: Run) -> None:
    """Check that two runs have bit-identical weights, optimizers, random states, losses and sample grids."""
    one, two = checkpoint.load(a.checkpoints[-1]), checkpoint.load(b.checkpoints[-1])
    for state in (one, two):
        del state["seconds"]
    assert_same_state(one, two)
    assert a.losses_file.read_bytes() == b.losses_file.read_bytes()
    assert [p.name for p in a.samples] == [p.name for p in b.samples]
    for x, y in zip([*a.samples, a.real_file], [*b.samples, b.real_file], strict=True):
        assert x.read_bytes() == y.read_bytes(), x.name
