"""Test regularizers in a step: which terms are evaluated, which outputs are shared, and how terms are weighted."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import softplus

from ganctl import Batch, GanctlError, Loss, Regularizer, logits, penalties
from ganctl.latent import Normal
from ganctl.training.engine import Engine

CPU = torch.device("cpu")


class G(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.net = nn.Linear(4, 16)

    def forward(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        return self.net(z).tanh().reshape(-1, 1, 4, 4)

    def double(self, z: Tensor) -> Tensor:  # an additional method
        return 2 * z


class D(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.net, self.out = nn.Linear(16, 8), nn.Linear(8, 1)
        self.inputs: list[Tensor] = []

    def forward(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        self.inputs.append(x)
        return self.out(torch.tanh(self.net(x.flatten(1)))).squeeze(1)


class BCE(Loss):
    def discriminator_loss(self, D: Any, real: Batch, fake: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        r, f = logits(D, real), logits(D, fake)
        return softplus(-r).mean() + softplus(f).mean(), {"D(x)": r.mean(), "D(G(z))": f.mean()}

    def generator_loss(self, D: Any, real: Batch, fake: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        return softplus(-logits(D, fake)).mean(), {}


class R1(Regularizer):
    penalizes_gradient = True

    def discriminator_term(self, D: Any, real: Batch, fake: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        r1 = penalties.zero_centered(D, real.x, real.y)
        return 5 * r1, {"r1": r1}


class Lecam(Regularizer):
    """Use the same outputs of D as the loss."""

    def discriminator_term(self, D: Any, real: Batch, fake: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        distance = (logits(D, real) - logits(D, fake)).square().mean()
        return distance, {"lecam": distance}


class Both(Regularizer):
    def discriminator_term(
        self, D: Any, real: Batch, fake: Batch, G: Any
    ) -> tuple[Tensor, dict[str, Tensor]]:
        return G(G.module.double(fake.z)).square().mean() * logits(D, fake).mean(), {}

    def generator_term(self, D: Any, real: Batch, fake: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        return fake.x.square().mean(), {"energy": fake.x.square().mean()}


def make(regularizers: dict[str, Regularizer] | None = None, **options: Any) -> Engine:
    torch.manual_seed(0)
    g, d = G(), D()
    return Engine(
        G=g, D=d, latent=Normal(4), batch_size=6, device=CPU,
        g_optimizer=torch.optim.SGD(g.parameters(), lr=0.1), d_optimizer=torch.optim.SGD(d.parameters(), lr=0.1),
        **{"loss": BCE(), "regularizers": regularizers or {}, **options},
    )  # fmt: skip


def with_every(regularizer: Regularizer, every: int) -> Regularizer:
    regularizer.every = every
    return regularizer


def batch() -> Batch:
    return Batch(torch.rand(6, 1, 4, 4, generator=torch.Generator().manual_seed(1)) * 2 - 1)


@pytest.mark.parametrize("every", [1, 4])
def test_term_multiplied_by_every_is_added_to_the_loss(every: int) -> None:
    engine = make({"r1": with_every(R1(), every)})
    torch.manual_seed(3)
    real, fake = batch(), engine.generate(batch(), keep_graph=False)
    report = engine.update_discriminator(real, fake, ("r1",))
    gradient = [p.grad.clone() for p in engine.D.parameters()]

    plain = make()
    loss = BCE().discriminator_loss(plain.D, real, fake)[0]
    term = 5 * penalties.zero_centered(plain.D, real.x)
    (loss + every * term).backward()
    for ours, expected in zip(gradient, plain.D.parameters(), strict=True):
        torch.testing.assert_close(ours, expected.grad)
    torch.testing.assert_close(report["d_loss"], loss.detach())  # without the regularizer
    torch.testing.assert_close(report["r1"], term.detach() / 5)


def test_regularizer_is_due_in_every_kth_step_from_step_0() -> None:
    engine = make({"a": with_every(R1(), 1), "b": with_every(Lecam(), 3)})
    assert [engine.due(step) for step in range(5)] == [("a", "b"), ("a",), ("a",), ("a", "b"), ("a",)]


def test_term_that_is_not_due_computes_nothing() -> None:
    engine = make({"r1": with_every(R1(), 2)})
    calls = []
    for step in range(2):
        engine.D.inputs.clear()
        report = engine.step(batch, engine.due(step))
        calls.append((len(engine.D.inputs), "r1" in report))
    # When the term is due, D runs on reals (with the penalty's gradient, shared with the loss) and twice on fakes.
    # Otherwise, D runs on the same images without that gradient.
    assert calls == [(3, True), (3, False)]
    with_gradient = [x.requires_grad for x in engine.D.inputs]
    assert with_gradient == [False, False, True]  # only the fakes in the G step have a graph


def test_components_share_the_outputs_of_d() -> None:
    engine = make({"lecam": Lecam()})
    engine.update_discriminator(batch(), engine.generate(batch(), keep_graph=False), ("lecam",))
    assert len(engine.D.inputs) == 2  # one for the reals, one for the fakes


def test_second_call_of_d_by_one_component_computes_a_new_output() -> None:
    class Consistency(Regularizer):
        def discriminator_term(self, D: Any, real: Batch, fake: Batch) -> tuple[Tensor, dict[str, Tensor]]:
            return (logits(D, real) - logits(D, real)).square().mean(), {}

    engine = make({"consistency": Consistency()})
    engine.update_discriminator(batch(), engine.generate(batch(), keep_graph=False), ("consistency",))
    assert len(engine.D.inputs) == 3


def test_outputs_for_different_labels_are_not_shared() -> None:
    class Mismatch(Regularizer):
        def discriminator_term(self, D: Any, real: Batch, fake: Batch) -> tuple[Tensor, dict[str, Tensor]]:
            return D(real.x, real.y.flip(0)).mean(), {}

    engine = make({"mismatch": Mismatch()})
    real = batch()._replace(y=torch.arange(6))
    engine.update_discriminator(real, engine.generate(real, keep_graph=False), ("mismatch",))
    assert len(engine.D.inputs) == 3


def test_generator_term_has_a_gradient_for_g_and_can_call_its_methods() -> None:
    engine = make({"both": Both()})
    report = engine.step(batch, ("both",))
    assert "energy" in report
    plain = make()
    plain.step(batch)
    assert not torch.equal(engine.G.net.weight, plain.G.net.weight)


def test_loss_and_constrain_receive_g_on_request() -> None:
    class NeedsG(BCE):
        def generator_loss(
            self, D: Any, real: Batch, fake: Batch, G: Any
        ) -> tuple[Tensor, dict[str, Tensor]]:
            assert torch.equal(G(fake.z), fake.x)
            return softplus(-logits(D, fake)).mean(), {"from_g": G(fake.z).mean()}

        def constrain(self, D: nn.Module, *, G: Any) -> None:
            self.module = [G.module]

    loss = NeedsG()
    engine = make(loss=loss)
    assert "from_g" in engine.step(batch)
    assert loss.module == [engine.G]


def test_conditions_are_passed_to_networks_that_request_them() -> None:
    class ConditionalG(G):
        def forward(self, z: Tensor, y: Tensor | None = None, c: Tensor | None = None) -> Tensor:
            assert c is not None
            return super().forward(z) + c.reshape(-1, 1, 1, 1)

    g, d = ConditionalG(), D()
    engine = Engine(
        G=g, D=d, loss=BCE(), latent=Normal(4), batch_size=6, device=CPU,
        g_optimizer=torch.optim.SGD(g.parameters(), lr=0.1), d_optimizer=torch.optim.SGD(d.parameters(), lr=0.1),
    )  # fmt: skip
    fake = engine.generate(batch()._replace(c=torch.full((6, 1), 9.0)), keep_graph=False)
    assert float(fake.x.detach().min()) > 7
    engine.step(lambda: batch()._replace(c=torch.zeros(6, 1)))  # D does not request c


def test_additional_generator_updates_use_new_latents() -> None:
    seen: list[Tensor] = []

    class Remembers(BCE):
        def generator_loss(self, D: Any, real: Batch, fake: Batch) -> tuple[Tensor, dict[str, Tensor]]:
            seen.append(fake.z)
            return super().generator_loss(D, real, fake)

    make(loss=Remembers(), n_generator=3).step(batch)
    assert len(seen) == 3
    assert not any(torch.equal(a, b) for a, b in itertools.pairwise(seen))


@pytest.mark.parametrize(
    ("result", "message"),
    [
        (torch.zeros(()), "returned a tensor of shape"),
        ((torch.zeros(2), {}), r"returned a tensor of shape \(2,\)"),
        ((torch.zeros(()), {"a": 1.0}), "reports 'a' as a float"),
        ((torch.zeros(()), {"a": torch.zeros(3)}), r"reports 'a' as a tensor of shape \(3,\)"),
        ((torch.zeros(()), {"D(x)": torch.zeros(())}), "which another component reports"),
    ],
)
def test_error_for_an_invalid_regularizer_result_contains_its_name(result: Any, message: str) -> None:
    class Wrong(Regularizer):
        def discriminator_term(self, D: Any, real: Batch, fake: Batch) -> Any:
            return result

    with pytest.raises(GanctlError, match=message) as caught:
        make({"wrong": Wrong()}).step(batch, ("wrong",))
    assert "wrong" in caught.value.message
