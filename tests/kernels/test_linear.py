from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from ganctl.kernels import linear


@pytest.fixture
def _onednn(monkeypatch: pytest.MonkeyPatch) -> None:
    if not (torch.backends.mkldnn.is_available() and hasattr(torch.ops.mkldnn, "_linear_pointwise")):
        pytest.skip("this torch has no oneDNN")
    monkeypatch.setattr(linear, "onednn_is_faster", lambda: True)


def network() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Linear(130, 140), nn.Softplus(), nn.Linear(140, 120, bias=False), nn.Softplus(), nn.Linear(120, 1)
    )


def values(net: nn.Module, x: Tensor) -> list[Tensor]:
    """Return the output and all first and second derivatives that a gradient penalty needs."""
    x = x.clone().requires_grad_()
    y = net(x)
    (g,) = torch.autograd.grad(y.sum(), x, create_graph=True)
    penalty = (g.norm(dim=1) - 1).square().mean() + y.mean()
    return [y, g, *torch.autograd.grad(penalty, [x, *net.parameters()])]


@pytest.mark.usefixtures("_onednn")
def test_onednn_layers_equal_plain_layers_up_to_second_derivatives() -> None:
    plain = network()
    fast = copy.deepcopy(plain)
    linear.use_fastest_kernels(fast)
    assert [type(layer) is linear.Linear for layer in fast[::2]] == [
        True,
        True,
        False,
    ]  # the last layer is too small for oneDNN
    assert repr(fast) == repr(plain)
    x = torch.randn(9, 130)
    for one, other in zip(values(plain, x), values(fast, x), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-6)
    fast[0].weight.requires_grad_(False)
    fast(x).sum().backward()
    assert fast[0].weight.grad is None
    assert fast[2].weight.grad is not None


@pytest.mark.usefixtures("_onednn")
def test_gradient_with_respect_to_images_skips_weight_gradients(monkeypatch: pytest.MonkeyPatch) -> None:
    net, x = network(), torch.randn(9, 130, requires_grad=True)
    linear.use_fastest_kernels(net)
    y, products = net(x).sum(), 0
    apply = linear._Affine.apply

    def counted(*args: Any) -> Any:
        nonlocal products
        products += 1
        return apply(*args)

    monkeypatch.setattr(linear._Affine, "apply", counted)
    torch.autograd.grad(y, x, retain_graph=True)
    assert products == 2  # one per layer, except for the small layer
    torch.autograd.grad(y, [x, net[0].weight], retain_graph=True)
    assert products == 2 + 3
    y.backward()
    assert products == 2 + 3 + 4


@pytest.mark.usefixtures("_onednn")
def test_onednn_layers_fall_back_to_torch_for_other_inputs() -> None:
    plain = network()
    fast = copy.deepcopy(plain)
    linear.use_fastest_kernels(fast)
    x = torch.randn(2, 3, 130)
    assert torch.equal(plain(x), fast(x))
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(plain(x[0]), fast(x[0]))
        assert fast(x[0]).dtype == torch.bfloat16
    assert fast.double()(x[0].double()).dtype == torch.float64


def test_keep_freed_memory_does_nothing_without_glibc(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    linear.keep_freed_memory()
    monkeypatch.setattr("platform.libc_ver", lambda: ("", ""))
    monkeypatch.setattr("ctypes.CDLL", None)
    linear.keep_freed_memory()
