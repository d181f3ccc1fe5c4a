"""Test the benchmarks: both loops compute the same gradients, and loops are timed in alternation."""

from __future__ import annotations

import importlib
import json
import pickle
import sys
from functools import partial
from pathlib import Path
from types import ModuleType

import pytest
import torch

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
sys.path.insert(0, str(BENCHMARKS))

import ablations  # noqa: E402
import compare  # noqa: E402
import interleaving  # noqa: E402
import measured_loops  # noqa: E402
from measured_loops import Ganctl, Setting, make_textbook  # noqa: E402

from ganctl.loss import Batch  # noqa: E402


@pytest.fixture(autouse=True)
def _small_data(monkeypatch: pytest.MonkeyPatch) -> None:
    glyphs = {"data": {"name": "glyphs", "n": 40}}
    monkeypatch.setattr(measured_loops, "data", lambda: glyphs)


def setting(model: str = "gan-basic") -> Setting:
    return Setting(model, batch_size=8, device="cpu", threads=1)


def weights(network: torch.nn.Module) -> list[torch.Tensor]:
    return [weight.detach().clone() for weight in network.parameters()]


@pytest.mark.parametrize("model", measured_loops.MODELS)
def test_both_loops_start_with_the_same_weights(model: str) -> None:
    ganctl_loop, textbook_loop = Ganctl(setting(model)), make_textbook(setting(model))
    assert all(map(torch.equal, weights(ganctl_loop.engine.G), weights(textbook_loop.G)))
    assert all(map(torch.equal, weights(ganctl_loop.engine.D), weights(textbook_loop.D)))
    batch, labels = next(textbook_loop.batches)
    assert labels.shape == (8,)
    assert batch.shape == (8, *ganctl_loop.images.shape) == ganctl_loop.batches.next().x.shape
    assert batch.dtype == torch.float32
    assert batch.min() >= -1
    assert 0.5 < batch.max() <= 1


@pytest.mark.parametrize("model", ["gan-basic", "gan", "dcgan"])  # dcgan-upsample has dropout
def test_both_loops_compute_the_same_gradients(model: str) -> None:
    ganctl_loop, textbook_loop = Ganctl(setting(model)), make_textbook(setting(model))
    x = ganctl_loop.batches.next().x
    textbook_loop.batches = iter([(x, torch.zeros(8))])

    torch.manual_seed(1)
    real = ganctl_loop.batches.next()._replace(x=x, y=None)
    fake = ganctl_loop.engine.generate(real, keep_graph=True)
    ganctl_loop.engine.update_discriminator(real, fake)
    torch.manual_seed(1)
    textbook_loop.update_discriminator()
    # Compare gradients instead of weights: Adam's first step is ±lr, and rounding can flip the sign of a tiny gradient.
    for one, other in zip(ganctl_loop.engine.D.parameters(), textbook_loop.D.parameters(), strict=True):
        torch.testing.assert_close(one.grad, other.grad, rtol=1e-3, atol=1e-6)

    textbook_loop.D.load_state_dict(ganctl_loop.engine.D.state_dict())
    textbook_loop.D.zero_grad()
    ganctl_loop.engine.update_generator(real, fake)
    torch.manual_seed(1)  # use the same latents again, because ganctl's G step reuses the fakes of the D step
    textbook_loop.update_generator()
    for one, other in zip(ganctl_loop.engine.G.parameters(), textbook_loop.G.parameters(), strict=True):
        torch.testing.assert_close(one.grad, other.grad, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("model", ["gan-basic", "wgan", "wgan-gp", "cgan", "infogan"])
def test_both_loops_update_all_weights(model: str) -> None:
    ganctl_loop, textbook_loop = Ganctl(setting(model)), make_textbook(setting(model))
    nets = (ganctl_loop.engine.G, ganctl_loop.engine.D, textbook_loop.G, textbook_loop.D)
    before = [weights(network) for network in nets]
    for _ in range(8):  # more than one epoch, which has 5 batches
        ganctl_loop.step()
        textbook_loop.step()
    for network, old in zip(nets, before, strict=True):
        # The output bias of a Wasserstein D has no gradient, because the bias cancels in the loss.
        assert sum(map(torch.equal, weights(network), old)) <= model.startswith("wgan")
        assert all(weight.isfinite().all() for weight in network.parameters())


@pytest.mark.parametrize("variant", [ablations.baseline, *ablations.VARIANTS], ids=lambda v: v.__name__)
def test_variant_trains_without_its_technique(variant: object, monkeypatch: pytest.MonkeyPatch) -> None:
    variant_setting = setting("dcgan" if ablations.VARIANTS.get(variant, ("", ()))[1] else "gan-basic")
    loop = variant(variant_setting)  # type: ignore[operator]
    passes = 0

    def count(*_: object) -> None:
        nonlocal passes
        passes += 1

    loop.engine.G.register_forward_hook(count)
    for _ in range(3):
        loop.step()
    assert all(weight.isfinite().all() for weight in loop.engine.G.parameters())
    assert passes == (6 if variant is ablations.two_passes else 3)
    options = loop.engine.g_optimizer.defaults
    fused = variant not in (ablations.adam_default, ablations.adam_foreach)
    assert bool(options["fused"]) == fused
    assert bool(options["foreach"]) == (variant is ablations.adam_foreach)
    assert (loop.config.precision == "bf16") == (variant is ablations.bf16)
    loop.batches.prepare(0, 8)
    assert isinstance(loop.draw(), Batch)
    last_grad = next(weight.grad for weight in loop.engine.D.parameters())
    assert last_grad is not None


def test_plain_layers_give_the_same_outputs() -> None:
    for model in ablations.CONVOLUTIONS:
        ganctl_loop, plain = Ganctl(setting(model)), ablations.plain_layers(setting(model))
        z = torch.randn(4, 100)
        torch.testing.assert_close(ganctl_loop.engine.G(z), plain.engine.G(z), rtol=1e-4, atol=1e-5)
        for loop in (ganctl_loop, plain):
            loop.engine.D.eval()
        x = ganctl_loop.batches.next().x
        torch.testing.assert_close(ganctl_loop.engine.D(x), plain.engine.D(x), rtol=1e-4, atol=1e-5)


# Use a separate module without torch, because the process of each loop imports the loop's module.
LOOPS = """
import functools, time

def sleeper(seconds):
    return functools.partial(time.sleep, seconds), lambda: None

def broken():
    raise RuntimeError("no such loop")
"""


@pytest.fixture
def loops(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    (tmp_path / "loops_to_time.py").write_text(LOOPS)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "loops_to_time", raising=False)
    return importlib.import_module("loops_to_time")


def test_interleaved_loops_are_timed_and_compared(loops: ModuleType) -> None:
    makers = {"slow": partial(loops.sleeper, 0.2), "fast": partial(loops.sleeper, 0.02)}
    times = interleaving.interleave(makers, rounds=3, seconds=0.1)
    assert [len(row) for row in times.values()] == [3, 3]
    assert all(row >= 0.02 for row in times["fast"])
    assert all(row >= 0.2 for row in times["slow"])
    assert interleaving.speedup(times["slow"], times["fast"]) > 2
    asleep = interleaving.interleave({"slow": makers["slow"]}, rounds=1, seconds=0.1, clock="cpu")
    assert asleep["slow"][0] < 0.1


def test_steps_per_second_and_speedup_are_computed_from_medians() -> None:
    assert interleaving.steps_per_second([0.5, 0.25, 100.0]) == 2
    assert interleaving.speedup([2.0, 4.0, 30.0], [1.0, 1.0, 10.0]) == 3


def test_error_in_a_loop_ends_the_measurement(loops: ModuleType) -> None:
    with pytest.raises(SystemExit, match="A loop failed"):
        interleaving.interleave({"broken": loops.broken}, rounds=1, seconds=0.1)


def one_step_each(makers: dict[str, interleaving.Maker], **timing: object) -> dict[str, list[float]]:
    """Run each loop for one step in this process, and pretend that the first loop takes twice as long as the others."""
    assert timing == {"rounds": 3, "seconds": 0.5, "clock": "cpu"}
    for maker in makers.values():
        step, wait = pickle.loads(pickle.dumps(maker))()
        step()
        wait()
    return {name: [0.5 if number else 1.0] * 3 for number, name in enumerate(makers)}


ARGUMENTS = [
    "gan-basic",
    *[
        "--device",
        "cpu",
        "--threads",
        "1",
        "--rounds",
        "3",
        "--seconds",
        "0.5",
        "--clock",
        "cpu",
        "--batch-size",
        "8",
        "--json",
    ],
]


def test_compare_prints_a_table_and_writes_json(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("GANCTL_DATA_ROOT", raising=False)  # use glyphs
    monkeypatch.setattr(interleaving, "interleave", one_step_each)
    monkeypatch.setattr(sys, "argv", ["compare.py", *ARGUMENTS, str(tmp_path / "out.json")])
    compare.main()
    printed = capsys.readouterr().out.splitlines()
    assert printed[1] == "glyphs, batch 8, cpu time"
    assert printed[-1].split() == ["gan-basic", "1.00", "2.00", "2.00"]
    result = json.loads((tmp_path / "out.json").read_text())
    assert result["machine"]["torch"] == torch.__version__
    assert result["models"][0]["ratio"] == 2
    assert result["models"][0]["rounds"] == {"textbook": [1.0] * 3, "ganctl": [0.5] * 3}


def test_ablations_prints_a_table_and_writes_json(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(interleaving, "interleave", one_step_each)
    monkeypatch.setattr(sys, "argv", ["ablations.py", *ARGUMENTS, str(tmp_path / "out.json")])
    ablations.main()
    printed = capsys.readouterr().out
    result = json.loads((tmp_path / "out.json").read_text())["models"]["gan-basic"]
    assert set(result.values()) == {0.5}  # each variant takes half as long as the baseline
    for variant, (label, models) in ablations.VARIANTS.items():
        assert (variant.__name__ in result) == (label in printed) == (not models)
