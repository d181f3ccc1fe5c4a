"""Test that the engine's step equals the same algorithm written as a plain loop."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from ganctl import Batch, Loss
from ganctl.latent import Normal
from ganctl.testing.device import on_device
from ganctl.testing.failures import Broken
from ganctl.training.engine import Engine
from ganctl.training.network_calls import DiscriminatorCall

CPU = torch.device("cpu")


class G(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.net = nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 16), nn.Tanh())
        self.calls = 0

    def forward(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        self.calls += 1
        return self.net(z).view(-1, 1, 4, 4)


class D(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.net = nn.Sequential(nn.Flatten(), nn.Linear(16, 8), nn.LeakyReLU(0.2), nn.Linear(8, 1))

    def forward(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        return self.net(x).squeeze(1)


class BCE(Loss):
    def __init__(self) -> None:
        super().__init__()
        self.constrained = 0

    def discriminator_loss(self, D: Any, real: Batch, fake: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        assert not fake.x.requires_grad
        r, f = D(real.x, real.y), D(fake.x, fake.y)
        loss = nn.functional.softplus(-r).mean() + nn.functional.softplus(f).mean()
        return loss, {"D(x)": r.sigmoid().mean(), "D(G(z))": f.sigmoid().mean()}

    def generator_loss(self, D: Any, real: Batch, fake: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        f = D(fake.x, fake.y)
        return nn.functional.softplus(-f).mean(), {"D(G(z))": f.sigmoid().mean()}

    def constrain(self, D: nn.Module) -> None:
        self.constrained += 1


def make(**options: Any) -> Engine:
    torch.manual_seed(0)
    g, d = G(), D()
    return Engine(
        G=g,
        D=d,
        latent=Normal(4),
        g_optimizer=torch.optim.Adam(g.parameters(), lr=0.01),
        d_optimizer=torch.optim.Adam(d.parameters(), lr=0.02),
        batch_size=6,
        device=CPU,
        **{"loss": BCE(), **options},
    )


class NextBatch:
    def __init__(self) -> None:
        self.generator = torch.Generator().manual_seed(1)
        self.count = 0

    def __call__(self) -> Batch:
        self.count += 1
        return Batch(torch.rand(6, 1, 4, 4, generator=self.generator) * 2 - 1)


@pytest.mark.parametrize("n_critic", [1, 3])
def test_step_equals_the_algorithm_of_the_paper(n_critic: int) -> None:
    engine = make(n_critic=n_critic)
    g, d = copy.deepcopy(engine.G), copy.deepcopy(engine.D)
    g_optimizer = torch.optim.Adam(g.parameters(), lr=0.01)
    d_optimizer = torch.optim.Adam(d.parameters(), lr=0.02)
    loss, next_batch, same_batch = BCE(), NextBatch(), NextBatch()

    torch.manual_seed(7)
    for _ in range(4):
        engine.step(next_batch)

    torch.manual_seed(7)
    for _ in range(4):
        for _ in range(n_critic):
            real, z = same_batch(), torch.randn(6, 4)
            fake = Batch(g(z))
            d_optimizer.zero_grad()
            loss.discriminator_loss(d, real, Batch(fake.x.detach()))[0].backward()
            d_optimizer.step()
        g_optimizer.zero_grad()
        loss.generator_loss(d, real, fake)[0].backward()
        g_optimizer.step()

    for ours, plain in ((engine.G, g), (engine.D, d)):
        for a, b in zip(ours.state_dict().values(), plain.state_dict().values(), strict=True):
            assert torch.equal(a, b)


def test_each_d_update_uses_a_new_batch_and_runs_g_once() -> None:
    engine, next_batch = make(n_critic=5), NextBatch()
    engine.step(next_batch)
    assert next_batch.count == 5
    assert engine.G.calls == 5  # not 6, because the G update reuses the last fakes
    assert engine.loss.constrained == 5


def test_g_update_does_not_change_gradients_of_d_and_unfreezes_d() -> None:
    engine, next_batch = make(), NextBatch()
    engine.step(next_batch)
    after_d_update = [p.grad.clone() for p in engine.D.parameters()]
    real = next_batch()
    engine.update_generator(real, engine.generate(real, keep_graph=True))
    assert all(torch.equal(p.grad, g) for p, g in zip(engine.D.parameters(), after_d_update, strict=True))
    assert all(p.requires_grad for p in engine.D.parameters())


def test_frozen_weights_of_d_stay_frozen() -> None:
    torch.manual_seed(0)
    g, d = G(), D()
    d.net[1].weight.requires_grad_(False)
    engine = make()
    engine = Engine(
        G=g, D=d, loss=BCE(), latent=Normal(4), batch_size=6, device=CPU,
        g_optimizer=torch.optim.SGD(g.parameters(), lr=0.1), d_optimizer=torch.optim.SGD(d.parameters(), lr=0.1),
    )  # fmt: skip
    before = d.net[1].weight.clone()
    engine.step(NextBatch())
    assert not d.net[1].weight.requires_grad
    assert torch.equal(d.net[1].weight, before)


def test_average_has_the_given_half_life() -> None:
    engine, next_batch = make(ema=12.0), NextBatch()  # two batches of 6
    start = [p.clone() for p in engine.G.parameters()]
    with torch.no_grad():
        for p in engine.G.parameters():
            p.add_(1.0)
    engine.update_average()
    engine.update_average()
    assert engine.G_ema is not None
    for average, old in zip(engine.G_ema.parameters(), start, strict=True):
        torch.testing.assert_close(average, old + 0.5)
    engine.step(next_batch)
    for average, buffer in zip(engine.G_ema.buffers(), engine.G.buffers(), strict=True):
        assert torch.equal(average, buffer)
    assert engine.sampler is engine.G_ema


def test_step_does_not_synchronize_with_the_host() -> None:
    from ganctl.data.batches import Batches
    from ganctl.dataset import Images
    from ganctl.training.reported_values import Recorder

    engine = make(ema=100.0, n_critic=2)
    # Fused Adam keeps the step count on the device.
    batches = Batches(Images(torch.zeros(20, 1, 4, 4, dtype=torch.uint8)), 6, seed=0, device=CPU)
    recorder = Recorder(10, CPU)
    engine.step(batches.next)
    with pytest.raises(Broken, match="reads a value from the device"), on_device("here"):
        torch.ones(1).item()
    options = {"lr": 0.01, "fused": True}
    engine.g_optimizer = torch.optim.Adam(engine.G.parameters(), **options)
    engine.d_optimizer = torch.optim.Adam(engine.D.parameters(), **options)
    with on_device("in a step"):
        recorder.add(engine.step(batches.next))


def test_bf16_keeps_weights_in_float32() -> None:
    engine, next_batch = make(precision="bf16"), NextBatch()
    for _ in range(3):
        report = engine.step(next_batch)
    assert all(value.isfinite() for value in report.values())
    assert all(p.dtype == torch.float32 for p in engine.G.parameters())
    assert engine.generate(next_batch(), keep_graph=False).x.dtype == torch.float32


def test_report_contains_losses_and_outputs_of_d() -> None:
    engine = make()
    report = engine.step(NextBatch())
    assert set(report) == {"d_loss", "g_loss", "D(x)", "D(G(z))"}
    assert not any(value.requires_grad for value in report.values())


def test_is_finite_checks_weights_and_buffers() -> None:
    engine = make()
    assert engine.is_finite()
    next(iter(engine.G.buffers())).fill_(float("nan"))
    assert not engine.is_finite()


def test_engine_with_loaded_state_takes_the_same_step() -> None:
    one, next_batch = make(ema=50.0), NextBatch()
    one.step(next_batch)
    two = make(ema=50.0)
    two.load_state_dict(copy.deepcopy(one.state_dict()))
    for engine in (one, two):
        torch.manual_seed(3)
        engine.step(NextBatch())
    for key in ("G", "D", "G_ema"):
        a, b = one.state_dict()[key], two.state_dict()[key]
        assert all(torch.equal(a[name], b[name]) for name in a)


class RecordingAugmentation(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.calls, self.observed = 0, []

    def forward(self, x: Tensor) -> Tensor:
        self.calls += 1
        return x.flip(3)

    def observe(self, logits: Tensor) -> None:
        self.observed.append(logits)


class CallsDAgain(BCE):
    """Calls D on the reals twice in the D update and once in the G update, as R1 and relativistic losses do."""

    def discriminator_loss(self, D: Any, real: Batch, fake: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        D(real.x.detach().requires_grad_(), real.y)
        return super().discriminator_loss(D, real, fake)

    def generator_loss(self, D: Any, real: Batch, fake: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        loss, report = super().generator_loss(D, real, fake)
        return loss + 0 * D(real.x, real.y).mean(), report


def test_augmentation_applies_to_all_inputs_of_d_and_observes_each_real_batch_once() -> None:
    augment, next_batch = RecordingAugmentation(), NextBatch()
    engine = make(n_critic=3, augment=augment, loss=CallsDAgain())
    engine.step(next_batch)
    assert augment.calls == 3 * 3 + 2
    assert len(augment.observed) == 3
    assert not any(logits.requires_grad for logits in augment.observed)
    real = next_batch()
    expected = engine.D(real.x.flip(3))
    assert torch.equal(DiscriminatorCall(engine.D, augment).for_component(0)(real.x), expected)


def test_optimizer_state_moves_between_devices() -> None:
    """The state of a capturable optimizer with a tensor lr can be loaded into an optimizer without either."""
    from ganctl.training import optimizers

    on_cuda = optimizers.settings_for(
        torch.device("cuda"), {"fused": None, "capturable": False, "foreach": None}
    )
    assert on_cuda == {"fused": True, "capturable": True, "foreach": None}
    one = make()
    optimizers.put_lr_on(CPU, one.g_optimizer)
    assert isinstance(one.g_optimizer.param_groups[0]["lr"], float)  # Adam without fused=True needs a number
    one.g_optimizer.param_groups[0].update(fused=True, lr=0.5)
    optimizers.put_lr_on(CPU, one.g_optimizer)
    rate = one.g_optimizer.param_groups[0]["lr"]
    saved = optimizers.state_dict(one.g_optimizer)
    assert type(saved["param_groups"][0]["lr"]) is float
    saved["param_groups"][0].update(capturable=True, lr=0.25)
    optimizers.load_state_dict(one.g_optimizer, saved)
    group = one.g_optimizer.param_groups[0]
    assert group["lr"] is rate
    assert float(rate) == 0.25
    assert group["capturable"] is False
