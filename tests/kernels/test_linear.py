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
    monkeypatch.setattr(linear, "onednn_is_quicker", lambda: True)


def network() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Linear(130, 140), nn.Softplus(), nn.Linear(140, 120, bias=False), nn.Softplus(), nn.Linear(120, 1)
    )


def values(net: nn.Module, x: Tensor) -> list[Tensor]:
    """Output, and every derivative of first and second order that a gradient penalty needs."""
    x = x.clone().requires_grad_()
    y = net(x)
    (g,) = torch.autograd.grad(y.sum(), x, create_graph=True)
    penalty = (g.norm(dim=1) - 1).square().mean() + y.mean()
    return [y, g, *torch.autograd.grad(penalty, [x, *net.parameters()])]


@pytest.mark.usefixtures("_onednn")
def test_quickened_layers_compute_the_same_with_derivatives_of_second_order() -> None:
    plain = network()
    quick = copy.deepcopy(plain)
    linear.quicken(quick)
    assert [type(layer) is linear.Linear for layer in quick[::2]] == [True, True, False]  # the last is small
    assert repr(quick) == repr(plain)
    x = torch.randn(9, 130)
    for one, other in zip(values(plain, x), values(quick, x), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-6)
    quick[0].weight.requires_grad_(False)
    quick(x).sum().backward()
    assert quick[0].weight.grad is None
    assert quick[2].weight.grad is not None


@pytest.mark.usefixtures("_onednn")
def test_a_gradient_at_the_images_computes_none_at_the_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    net, x = network(), torch.randn(9, 130, requires_grad=True)
    linear.quicken(net)
    y, products = net(x).sum(), 0
    apply = linear._Affine.apply

    def counted(*args: Any) -> Any:
        nonlocal products
        products += 1
        return apply(*args)

    monkeypatch.setattr(linear._Affine, "apply", counted)
    torch.autograd.grad(y, x, retain_graph=True)
    assert products == 2  # a layer each; the last is torch's own
    torch.autograd.grad(y, [x, net[0].weight], retain_graph=True)
    assert products == 2 + 3
    y.backward()
    assert products == 2 + 3 + 4


@pytest.mark.usefixtures("_onednn")
def test_quickened_layers_leave_everything_else_to_torch() -> None:
    plain = network()
    quick = copy.deepcopy(plain)
    linear.quicken(quick)
    x = torch.randn(2, 3, 130)
    assert torch.equal(plain(x), quick(x))
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(plain(x[0]), quick(x[0]))
        assert quick(x[0]).dtype == torch.bfloat16
    assert quick.double()(x[0].double()).dtype == torch.float64


def test_memory_is_kept_where_that_can_be_and_nothing_is_said_elsewhere(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    linear.keep_freed_memory()
    monkeypatch.setattr("platform.libc_ver", lambda: ("", ""))
    monkeypatch.setattr("ctypes.CDLL", None)
    linear.keep_freed_memory()
