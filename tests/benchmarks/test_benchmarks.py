"""The benchmarks measure what they say: the same mathematics on the same nets, each loop in its turn."""

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

import compare  # noqa: E402
import rounds  # noqa: E402
import subjects  # noqa: E402
import techniques  # noqa: E402
from subjects import Ganctl, Setting, make_textbook  # noqa: E402

from ganctl.loss import Batch  # noqa: E402


@pytest.fixture(autouse=True)
def _small_data(monkeypatch: pytest.MonkeyPatch) -> None:
    glyphs = {"data": {"name": "glyphs", "n": 40}}
    monkeypatch.setattr(subjects, "data", lambda: glyphs)


def setting(model: str = "gan-basic") -> Setting:
    return Setting(model, batch_size=8, device="cpu", threads=1)


def weights(network: torch.nn.Module) -> list[torch.Tensor]:
    return [weight.detach().clone() for weight in network.parameters()]


@pytest.mark.parametrize("model", subjects.MODELS)
def test_both_loops_begin_alike(model: str) -> None:
    ours, theirs = Ganctl(setting(model)), make_textbook(setting(model))
    assert all(map(torch.equal, weights(ours.engine.G), weights(theirs.G)))
    assert all(map(torch.equal, weights(ours.engine.D), weights(theirs.D)))
    batch, labels = next(theirs.batches)
    assert labels.shape == (8,)
    assert batch.shape == (8, *ours.images.shape) == ours.batches.next().x.shape
    assert batch.dtype == torch.float32
    assert batch.min() >= -1
    assert 0.5 < batch.max() <= 1


@pytest.mark.parametrize(
    "model", ["gan-basic", "gan", "dcgan"]
)  # dcgan-upsample: its dropout draws at random
def test_both_loops_do_the_same_mathematics(model: str) -> None:
    ours, theirs = Ganctl(setting(model)), make_textbook(setting(model))
    x = ours.batches.next().x
    theirs.batches = iter([(x, torch.zeros(8))])

    torch.manual_seed(1)
    real, fake = ours.batches.next()._replace(x=x, y=None), ours.engine.generate(None, keep_graph=True)
    ours.engine.update_discriminator(real, fake)
    torch.manual_seed(1)
    theirs.update_discriminator()
    # Adam's first step is ±lr: where a gradient is nearly 0, rounding decides the sign. So gradients are compared.
    for one, other in zip(ours.engine.D.parameters(), theirs.D.parameters(), strict=True):
        torch.testing.assert_close(one.grad, other.grad, rtol=1e-3, atol=1e-6)

    theirs.D.load_state_dict(ours.engine.D.state_dict())
    theirs.D.zero_grad()
    ours.engine.update_generator(real, fake)
    torch.manual_seed(1)  # the same latents again: ganctl's turn goes on from the fakes of D's
    theirs.update_generator()
    for one, other in zip(ours.engine.G.parameters(), theirs.G.parameters(), strict=True):
        torch.testing.assert_close(one.grad, other.grad, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("model", ["gan-basic", "wgan", "wgan-gp", "cgan", "infogan"])
def test_both_loops_train(model: str) -> None:
    ours, theirs = Ganctl(setting(model)), make_textbook(setting(model))
    nets = (ours.engine.G, ours.engine.D, theirs.G, theirs.D)
    before = [weights(network) for network in nets]
    for _ in range(8):  # beyond an epoch of 5 batches
        ours.step()
        theirs.step()
    for network, old in zip(nets, before, strict=True):
        # The bias of a Wasserstein D's answer shifts that on reals and fakes alike.
        assert sum(map(torch.equal, weights(network), old)) <= model.startswith("wgan")
        assert all(weight.isfinite().all() for weight in network.parameters())


@pytest.mark.parametrize("variant", [techniques.as_it_is, *techniques.VARIANTS], ids=lambda v: v.__name__)
def test_a_variant_of_the_step_trains_and_undoes_its_technique(
    variant: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    where = setting("dcgan" if techniques.VARIANTS.get(variant, ("", ()))[1] else "gan-basic")
    loop = variant(where)  # type: ignore[operator]
    passes = 0

    def count(*_: object) -> None:
        nonlocal passes
        passes += 1

    loop.engine.G.register_forward_hook(count)
    for _ in range(3):
        loop.step()
    assert all(weight.isfinite().all() for weight in loop.engine.G.parameters())
    assert passes == (6 if variant is techniques.two_passes else 3)
    options = loop.engine.g_optimizer.defaults
    fused = variant not in (techniques.adam_by_default, techniques.adam_foreach)
    assert bool(options["fused"]) == fused
    assert bool(options["foreach"]) == (variant is techniques.adam_foreach)
    assert (loop.config.precision == "bf16") == (variant is techniques.bf16)
    loop.batches.prepare(0, 8)
    assert isinstance(loop.draw(), Batch)
    last_grad = next(weight.grad for weight in loop.engine.D.parameters())
    assert last_grad is not None


def test_variants_of_the_layers_draw_the_same() -> None:
    for model in techniques.CONVOLUTIONS:
        ours, plain = Ganctl(setting(model)), techniques.as_layers_say(setting(model))
        z = torch.randn(4, 100)
        torch.testing.assert_close(ours.engine.G(z), plain.engine.G(z), rtol=1e-4, atol=1e-5)
        for loop in (ours, plain):
            loop.engine.D.eval()
        x = ours.batches.next().x
        torch.testing.assert_close(ours.engine.D(x), plain.engine.D(x), rtol=1e-4, atol=1e-5)


# In a file of its own: a loop's process imports what it comes from, and torch takes its time.
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


def test_rounds_take_turns_and_their_ratio_is_that_of_the_loops(loops: ModuleType) -> None:
    makers = {"slow": partial(loops.sleeper, 0.2), "fast": partial(loops.sleeper, 0.02)}
    times = rounds.interleaved(makers, rounds=3, seconds=0.1)
    assert [len(row) for row in times.values()] == [3, 3]
    assert all(row >= 0.02 for row in times["fast"])
    assert all(row >= 0.2 for row in times["slow"])
    assert rounds.ratio(times["slow"], times["fast"]) > 2
    asleep = rounds.interleaved({"slow": makers["slow"]}, rounds=1, seconds=0.1, clock="cpu")
    assert asleep["slow"][0] < 0.1


def test_medians() -> None:
    assert rounds.per_second([0.5, 0.25, 100.0]) == 2
    assert rounds.ratio([2.0, 4.0, 30.0], [1.0, 1.0, 10.0]) == 3


def test_a_loop_that_fails_ends_the_measurement(loops: ModuleType) -> None:
    with pytest.raises(SystemExit, match="A loop failed"):
        rounds.interleaved({"broken": loops.broken}, rounds=1, seconds=0.1)


def one_step_each(makers: dict[str, rounds.Maker], **how: object) -> dict[str, list[float]]:
    """In place of processes and clocks: every loop must run, the first named takes twice as long as the rest."""
    assert how == {"rounds": 3, "seconds": 0.5, "clock": "cpu"}
    for maker in makers.values():
        step, wait = pickle.loads(pickle.dumps(maker))()
        step()
        wait()
    return {name: [0.5 if number else 1.0] * 3 for number, name in enumerate(makers)}


GIVEN = [
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
    monkeypatch.delenv("GANCTL_DATA_ROOT", raising=False)  # on glyphs, whatever there is
    monkeypatch.setattr(rounds, "interleaved", one_step_each)
    monkeypatch.setattr(sys, "argv", ["compare.py", *GIVEN, str(tmp_path / "out.json")])
    compare.main()
    printed = capsys.readouterr().out.splitlines()
    assert printed[1] == "glyphs, batch 8, cpu time"
    assert printed[-1].split() == ["gan-basic", "1.00", "2.00", "2.00"]
    result = json.loads((tmp_path / "out.json").read_text())
    assert result["machine"]["torch"] == torch.__version__
    assert result["models"][0]["ratio"] == 2
    assert result["models"][0]["rounds"] == {"textbook": [1.0] * 3, "ganctl": [0.5] * 3}


def test_techniques_prints_a_table_and_writes_json(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(rounds, "interleaved", one_step_each)
    monkeypatch.setattr(sys, "argv", ["techniques.py", *GIVEN, str(tmp_path / "out.json")])
    techniques.main()
    printed = capsys.readouterr().out
    result = json.loads((tmp_path / "out.json").read_text())["models"]["gan-basic"]
    assert set(result.values()) == {0.5}  # each took half as long as the step as it is
    for variant, (label, models) in techniques.VARIANTS.items():
        assert (variant.__name__ in result) == (label in printed) == (not models)
