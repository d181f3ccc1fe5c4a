from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch
from helpers.bit_identical import assert_same_state

import ganctl
from ganctl import GanctlError
from ganctl.config.resolve import resolve
from ganctl.plugin import discovery
from ganctl.runs import checkpoint
from ganctl.runs import resume as resuming
from ganctl.training import setup
from ganctl.training.engine import Engine
from ganctl.training.schedules import Schedules, parse, value_at


def at(text: str, step: float, *, base: float = 1.0, total: float = 100) -> float:
    return value_at(parse(text, per_step=1), base, step, total)


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("constant", {0: 1, 50: 1, 100: 1}),
        ("linear 0", {0: 1, 25: 0.75, 100: 0}),
        ("linear 3 over 10", {0: 1, 5: 2, 10: 3, 99: 3}),
        ("cosine 0", {0: 1, 25: (1 + math.cos(math.pi / 4)) / 2, 50: 0.5, 100: 0}),
        ("warmup 10", {0: 0, 5: 0.5, 10: 1, 90: 1}),
        ("warmup 10, linear 0", {5: 0.5, 10: 1, 55: 0.5, 100: 0}),
        ("constant over 40, linear 0", {39: 1, 40: 1, 70: 0.5, 100: 0}),
        ("linear 1e-2 over 0.01kimg", {10: 1e-2, 5: 0.505}),
    ],
)
def test_schedule_has_the_expected_values(text: str, values: dict[int, float]) -> None:
    for step, value in values.items():
        assert at(text, step) == pytest.approx(value), step


def test_schedule_length_can_be_in_steps_or_kimg() -> None:
    assert parse("linear 0 over 10", per_step=64)[0].length == 640
    assert parse("linear 0 over 10kimg", per_step=64)[0].length == 10_000


@pytest.mark.parametrize(
    "text", ["", "linear", "down 0", "linear 0, cosine 1", "warmup", "linear 0 over", "linear x"]
)
def test_error_for_an_invalid_schedule_has_a_hint(text: str) -> None:
    with pytest.raises(GanctlError, match="is not a schedule") as caught:
        parse(text, per_step=1)
    assert caught.value.hint


def train(out: Path, **settings: object) -> ganctl.Run:
    small = {
        "generator": {"hidden": "8"},
        "discriminator": {"hidden": "8"},
        "data": {"name": "glyphs", "n": 64},
    }
    return ganctl.train("gan", out=out, batch_size=16, log_every=1, quiet=True, **{**small, **settings})  # type: ignore[arg-type]


def test_run_follows_schedules_even_after_resuming(tmp_path: Path) -> None:
    schedules = {"lr": "linear 0", "ema": "linear 500 over 4"}
    whole = train(tmp_path / "whole", steps=8, schedules=schedules, ema=100.0)
    state = checkpoint.load(whole.checkpoints[-1])["engine"]
    assert state["g_optimizer"]["param_groups"][0]["lr"] == pytest.approx(2e-4 / 8)
    assert whole.config["schedules"] == {
        "g_optimizer.lr": "linear 0",
        "d_optimizer.lr": "linear 0",
        "ema": "linear 500 over 4",
    }

    again = ganctl.train(config=whole.config_file, out=tmp_path / "again", checkpoint_every=3, quiet=True)
    for path in again.checkpoints[1:]:
        path.unlink()
    ganctl.train(resume_from=again.path, quiet=True)
    assert again.losses_file.read_bytes() == whole.losses_file.read_bytes()


def test_error_for_an_unknown_target_contains_its_name(tmp_path: Path) -> None:
    with pytest.raises(GanctlError, match=r"no value 'loss\.gama' to schedule"):
        train(tmp_path / "run", steps=1, schedules={"loss.gama": "linear 0"})
    with pytest.raises(GanctlError, match="G is not averaged"):
        train(tmp_path / "run2", steps=1, schedules={"ema": "linear 0"})
    assert not (tmp_path / "run").exists()


def make_engine() -> Engine:
    """Return an engine with batches of 10 images and a moving average with a half-life of 1000 images."""
    settings = {"model": "gan", "data": "glyphs", "ema": 1000.0, "batch_size": 10}
    hidden = {"generator": {"hidden": "8"}, "discriminator": {"hidden": "8"}}
    images = ganctl.Images(torch.zeros(20, 1, 8, 8, dtype=torch.uint8))
    config = resolve(discovery.registry(), {**settings, **hidden}).config
    return setup.make_engine(discovery.registry(), config, images, torch.device("cpu"))


def half_lives(*steps: int, schedule: str | None = None) -> list[float]:
    """Return the half-life of the moving average in each of ``steps``, with a warm-up of 0.05."""
    engine = make_engine()
    schedules = Schedules({"ema": schedule} if schedule else {}, engine, total_steps=10_000, ema_rampup=0.05)
    found = []
    for step in steps:
        schedules.apply(step)
        found.append(float(engine.ema or 0))
    return found


def test_half_life_increases_with_the_number_of_images_seen() -> None:
    assert half_lives(0, 1, 100, 2000, 2001, 9999) == pytest.approx([0, 0.5, 50, 1000, 1000, 1000])


def test_warm_up_limits_a_scheduled_half_life() -> None:
    assert half_lives(100, 5000, schedule="linear 10000 over 5000") == pytest.approx([50, 2500])
    assert half_lives(9999, schedule="linear 0 over 5000") == [0]


def test_average_equals_the_generator_after_the_first_step_of_the_warm_up() -> None:
    engine = make_engine()
    Schedules({}, engine, total_steps=10, ema_rampup=0.05).apply(0)
    assert engine.G_ema is not None
    with torch.no_grad():
        for weight in engine.G.parameters():
            weight += 1
    engine.update_average()
    for average, weight in zip(engine.G_ema.parameters(), engine.G.parameters(), strict=True):
        assert torch.equal(average, weight)


def test_resumed_run_has_the_same_average_as_an_uninterrupted_run(tmp_path: Path) -> None:
    whole = train(tmp_path / "whole", steps=8, ema=100.0)
    train(tmp_path / "part", steps=5, ema=100.0)
    part = ganctl.train(resume_from=tmp_path / "part", steps=8, quiet=True)
    expected = checkpoint.load(whole.checkpoint_file(8))["engine"]
    state = checkpoint.load(part.checkpoint_file(8))["engine"]
    assert all(torch.equal(weight, state["G_ema"][name]) for name, weight in expected["G_ema"].items())
    weights = [name for name in expected["G"] if name.endswith("weight") and expected["G"][name].ndim == 2]
    assert weights
    assert not any(torch.equal(expected["G_ema"][name], expected["G"][name]) for name in weights)


def test_run_started_by_a_version_without_warm_up_is_resumed_without_warm_up(tmp_path: Path) -> None:
    run = train(tmp_path / "run", steps=2, ema=100.0)
    assert run.config["ema_rampup"] == 0.05
    state = checkpoint.load(run.checkpoint_file(2))
    del state["config"]["ema_rampup"]
    checkpoint.save(run.checkpoint_file(2), state)
    found = resuming.find(run.path, discovery.registry(), {"steps": 4}, print)
    assert found.config.ema_rampup is None
    run.checkpoint_file(2).unlink()  # simulates a run that was stopped before its first checkpoint
    text = run.config_file.read_text().replace("ema_rampup = 0.05", "")
    run.config_file.write_text(text)
    assert resuming.find(run.path, discovery.registry(), {}, print).config.ema_rampup is None


def test_warm_up_can_be_disabled() -> None:
    registry, given = discovery.registry(), {"model": "dcgan", "data": "glyphs"}
    assert resolve(registry, given).config.ema_rampup == 0.05
    assert resolve(registry, given, {"ema_rampup": "none"}).config.ema_rampup is None
    for value in ("0", "-1", "nan", "inf"):
        with pytest.raises(GanctlError, match="ema_rampup is"):
            resolve(registry, given, {"ema_rampup": value})


BUFFERS = """
import ganctl
import torch
from torch import nn

class Faded(nn.Module):
    def __init__(self, image, latent):
        super().__init__()
        self.image, size = tuple(image), image.channels * image.height * image.width
        self.register_buffer("alpha", torch.tensor(1.0))
        self.net = nn.Linear(*self.sizes(latent.dim, size))

class FadedG(Faded):
    def sizes(self, dim, size): return dim, size
    def forward(self, z, y=None): return torch.tanh(self.alpha * self.net(z)).view(-1, *self.image)

class FadedD(Faded):
    def sizes(self, dim, size): return size, 1
    def forward(self, x, y=None): return self.alpha * self.net(x.flatten(1)).squeeze(1)

class Dimmed(nn.Module):
    def __init__(self):
        super().__init__()
        self.register_buffer("alpha", torch.tensor(1.0))
    def forward(self, x): return x * self.alpha

class Term(ganctl.Regularizer):
    def __init__(self):
        super().__init__()
        self.register_buffer("alpha", torch.tensor(1.0))
    def generator_term(self, D, real, fake):
        return self.alpha * fake.x.square().mean(), {"term": self.alpha.clone()}

@ganctl.hookimpl
def register_generators(register): register("faded", FadedG, summary="With a scalar buffer")

@ganctl.hookimpl
def register_discriminators(register): register("faded", FadedD, summary="With a scalar buffer")

@ganctl.hookimpl
def register_augmentations(register): register("faded", Dimmed, summary="With a scalar buffer")

@ganctl.hookimpl
def register_regularizers(register): register("faded", Term, summary="With a scalar buffer")
"""
PARTS = ("generator", "discriminator", "augment", "faded")  # a regularizer by its name


def test_buffers_of_every_component_follow_their_schedules(tmp_path: Path) -> None:
    plugin = tmp_path / "faded.py"
    plugin.write_text(BUFFERS)

    def run(name: str, **settings: object) -> ganctl.Run:
        return train(
            tmp_path / name, plugins=[plugin], generator="faded", discriminator="faded", augment="faded",
            regularizers=["faded"], steps=8, checkpoint_every=3, keep=0, trackers=[], device="cpu",
            schedules={f"{part}.alpha": f"linear {i} over 8" for i, part in enumerate(PARTS)}, **settings,
        )  # fmt: skip

    whole, cut, eager = run("whole"), run("cut"), run("eager", graph=False)
    assert [row["term"] for row in whole.losses] == pytest.approx([1 + 2 * step / 8 for step in range(8)])
    state = checkpoint.load(whole.checkpoints[-1])["engine"]
    parts = (state["G"], state["D"], state["augment"], state["regularizers"]["faded"])
    assert [float(part["alpha"]) for part in parts] == pytest.approx([1 - 7 / 8, 1, 1 + 7 / 8, 1 + 2 * 7 / 8])
    for path in cut.checkpoints[1:]:
        path.unlink()
    ganctl.train(resume_from=cut.path, plugins=[plugin], quiet=True)
    for other in (cut, eager):
        assert_same_state(checkpoint.load(other.checkpoints[-1])["engine"], state)
        assert other.losses_file.read_bytes() == whole.losses_file.read_bytes()
    assert "Falls back" not in (whole.path / "log.txt").read_text()


def test_schedule_of_beta2_falls_back_to_eager_steps_with_one_line(tmp_path: Path) -> None:
    schedules = {"g_optimizer.beta2": "linear 0.5 over 8", "d_optimizer.beta2": "linear 0.5 over 8"}
    settings = {
        "steps": 8,
        "checkpoint_every": 3,
        "keep": 0,
        "trackers": [],
        "device": "cpu",
        "schedules": schedules,
    }
    whole, cut, plain = (train(tmp_path / name, **settings) for name in ("whole", "cut", "plain"))
    group = checkpoint.load(whole.checkpoints[-1])["engine"]["g_optimizer"]["param_groups"][0]
    base = whole.config["g_optimizer"]["betas"]
    assert group["betas"] == pytest.approx((base[0], base[1] + (0.5 - base[1]) * 7 / 8))
    lines = [line for line in (whole.path / "log.txt").read_text().splitlines() if "Falls back" in line]
    assert len(lines) == 1
    assert "g_optimizer.beta2 is scheduled, and its optimizer keeps it in Python" in lines[0]
    for path in cut.checkpoints[1:]:
        path.unlink()
    ganctl.train(resume_from=cut.path, quiet=True)
    assert cut.losses_file.read_bytes() == whole.losses_file.read_bytes()
    unscheduled = train(tmp_path / "unscheduled", **{**settings, "schedules": {}})
    assert unscheduled.losses_file.read_bytes() != plain.losses_file.read_bytes()


def test_none_removes_a_schedule_of_the_model_so_its_loss_can_be_replaced() -> None:
    registry, given = discovery.registry(), {"model": "r3gan", "data": "glyphs", "loss": "hinge"}
    engine = make_engine()  # its loss has no coefficient gamma
    with pytest.raises(GanctlError, match=r"There is no value 'loss\.gamma' to schedule"):
        Schedules(resolve(registry, given).config.schedules, engine, total_steps=8)
    removed = resolve(registry, given, {"schedules": {"loss.gamma": "none"}}).config
    assert sorted(removed.schedules) == ["d_optimizer.lr", "ema", "g_optimizer.lr"]
    Schedules(removed.schedules, engine, total_steps=8)
    both = resolve(registry, given, {"schedules": {"lr": "none", "ema": "none", "loss.gamma": "none"}}).config
    assert both.schedules == {}
