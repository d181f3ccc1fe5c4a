"""Variants of GANs that were written from the documentation only, each in a plugin file next to this file."""

from pathlib import Path

import pytest
import torch
from PIL import Image

import ganctl

HERE = Path(__file__).parent
GLYPHS = {"name": "glyphs", "n": 64}
SMALL = {
    "batch_size": 8,
    "seed": 3,
    "samples": 4,
    "log_every": 1,
    "trackers": "none",
    "device": "cpu",
    "quiet": True,
}
SETTINGS = {
    "lazy_r1": {
        "model": "gan",
        "regularizers": ["lazy-r1"],
        "generator": {"hidden": [16]},
        "discriminator": {"hidden": [16]},
    },
    "stylegan2_mini": {
        "model": "style-mini",
        "z_dim": 16,
        "generator": {"width": 8, "w_dim": 16},
        "discriminator": {"width": 8},
    },
    "d2gan": {"model": "d2gan", "generator": {"width": 8}, "discriminator": {"width": 8}},
    "bigan": {"model": "bigan", "generator": {"width": 32}, "discriminator": {"width": 32}},
    "label_dropout": {
        "model": "label-dropout",
        "generator": {"width": 32},
        "discriminator": {"width": 32},
        "loss": {"drop": 0.5},
    },
    "vaegan": {"model": "vaegan", "generator": {"width": 32}, "discriminator": {"width": 32}},
}


def train(name, out, steps, **changes):
    settings = {**SMALL, **SETTINGS[name], **changes}
    model, data = settings.pop("model"), settings.pop("data", GLYPHS)
    return ganctl.train(model, data, steps=steps, out=out, plugins=plugin(name), **settings)


def plugin(name):
    return [HERE / f"{name}.py"]


def load(run, name, step=None):
    return ganctl.load(run.checkpoint_file(step) if step else run.path, plugins=plugin(name), device="cpu")


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """Train a variant for 18 steps, once per module."""
    runs = {}

    def get(name):
        if name not in runs:
            out = tmp_path_factory.mktemp("runs") / name
            runs[name] = train(name, out, 18, checkpoint_every=9, keep=0)
        return runs[name]

    return get


@pytest.mark.parametrize("name", SETTINGS)
def test_a_resumed_run_equals_an_uninterrupted_run(name, trained, tmp_path):
    whole = trained(name)
    train(name, tmp_path / "run", 10)
    resumed = ganctl.train(
        resume_from=tmp_path / "run", steps=18, plugins=plugin(name), quiet=True, checkpoint_every=9
    )
    assert resumed.losses == whole.losses
    for part in "G", "D", "loss":
        expected = getattr(load(whole, name), part).state_dict()
        actual = getattr(load(resumed, name), part).state_dict()
        assert expected.keys() == actual.keys()
        assert all(torch.equal(actual[key], expected[key]) for key in expected)
    assert torch.equal(load(resumed, name).sample(4), load(whole, name).sample(4))


@pytest.mark.parametrize("name", SETTINGS)
def test_samples_are_images_and_depend_on_the_seed(name, trained):
    sampler = load(trained(name), name)
    x = sampler.sample(4, seed=1)
    assert x.shape == (4, 1, 28, 28)
    assert x.isfinite().all()
    assert not torch.equal(x, sampler.sample(4, seed=2))


@pytest.mark.parametrize("name", SETTINGS)
def test_steps_are_replayed_as_a_graph(name, trained):
    assert "Falls back to eager steps" not in (trained(name).path / "log.txt").read_text()


def steps_with(run, value):
    return [line["step"] for line in run.losses if line.get(value) is not None]


def test_lazy_r1_is_evaluated_in_every_16th_step(trained):
    assert steps_with(trained("lazy_r1"), "lazy-r1") == [1, 17]


def test_lazy_r1_is_multiplied_by_16(tmp_path):
    """With every=1 and 16 times the weight, the first step is the same."""
    lazy = train("lazy_r1", tmp_path / "lazy", 1, regularizers=[{"name": "lazy-r1", "gamma": 1.0}])
    eager = train(
        "lazy_r1", tmp_path / "eager", 1, regularizers=[{"name": "lazy-r1", "gamma": 16.0, "every": 1}]
    )
    without = train("lazy_r1", tmp_path / "without", 1, regularizers="none")
    weights = [
        torch.cat([w.flatten() for w in load(run, "lazy_r1").D.state_dict().values()])
        for run in (lazy, eager, without)
    ]
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])


def test_path_length_is_evaluated_in_every_4th_step(trained):
    assert steps_with(trained("stylegan2_mini"), "style-path") == [1, 5, 9, 13, 17]


def test_the_learning_rate_of_the_mapping_is_one_hundredth(tmp_path):
    """Adam's first step is the learning rate for every weight with a gradient."""
    name, options = "stylegan2_mini", {"regularizers": "none", "ema": "none"}
    slow, fast = (
        load(train(name, tmp_path / str(rate), 1, g_lr=rate, **options), name).G for rate in (1e-3, 2e-3)
    )
    mapping = (fast.net[0].weight - slow.net[0].weight).abs().median()
    synthesis = (fast.convs[0].weight - slow.convs[0].weight).abs().median()
    assert mapping == pytest.approx(1e-5, rel=0.05)
    assert synthesis == pytest.approx(1e-3, rel=0.05)


def test_psi_0_gives_the_mean_image_and_style_mixing_occurs_only_in_training(trained):
    sampler = load(trained("stylegan2_mini"), "stylegan2_mini")
    mean = sampler.with_options(psi=0.0).sample(3)
    assert torch.equal(mean[0], mean[1])
    full, half = sampler.sample(3), sampler.with_options(psi=0.5).sample(3)
    assert not torch.equal(full[0], full[1])
    assert (half - mean).abs().mean() < (full - mean).abs().mean()
    G, z = sampler.G, sampler.latents(3)
    with torch.no_grad():
        assert torch.equal(G(z), G(z))
        G.train()
        assert not torch.equal(G(z), G(z))


def test_the_two_discriminators_have_opposite_preferences(tmp_path):
    run = train("d2gan", tmp_path / "run", 40, d_lr=1e-3)
    last = run.losses[-1]
    assert last["D(x)"] > last["D(G(z))"]
    assert last["D2(x)"] < last["D2(G(z))"]


def test_the_encoder_of_bigan_is_trained_and_d_depends_on_z(trained):
    run = trained("bigan")
    sampler = load(run, "bigan")
    assert not torch.equal(load(run, "bigan", 9).G.encoder[0].weight, sampler.G.encoder[0].weight)
    x, z = sampler.sample(4), sampler.latents(4)
    with torch.no_grad():
        assert sampler.G.encode(x).shape == z.shape
        features = sampler.D(x, None)
        assert not torch.equal(sampler.D.logits(features, z), sampler.D.logits(features, -z))


def test_the_embedding_of_no_label_is_trained_only_with_label_dropout(trained, tmp_path):
    name = "label_dropout"
    always = train(name, tmp_path / "run", 18, loss={"drop": 0.0}, checkpoint_every=9, keep=0)
    assert all(line["dropped"] == 0 for line in always.losses)
    for run, changes in (trained(name), True), (always, False):
        for network in "G", "D":
            early, late = (getattr(load(run, name, step), network).label.rows.weight[-1] for step in (9, 18))
            assert torch.equal(early, late) != changes
    assert 0 < sum(line["dropped"] for line in trained(name).losses) / 18 < 1


def test_guidance_0_ignores_the_label(trained):
    sampler = load(trained("label_dropout"), "label_dropout")
    z = sampler.latents(1).repeat(10, 1)
    (plain,) = sampler.generate(z, torch.arange(10))
    (free,) = sampler.with_options(guidance=0.0).generate(z, torch.arange(10))
    assert not torch.equal(plain[0], plain[1])
    assert torch.allclose(free[0], free[9])


def test_vaegan_learns_to_reconstruct_the_shade_of_an_image(tmp_path):
    (tmp_path / "data").mkdir()
    pixels = torch.linspace(0, 255, 16).byte()[:, None, None].repeat(1, 8, 8)
    for number, image in enumerate(pixels):
        Image.fromarray(image.numpy()).save(tmp_path / "data" / f"{number:02}.png")
    settings = {
        "data": {"name": "folder", "path": str(tmp_path / "data")},
        "discriminator": {"width": 128},
        "g_lr": 3e-3,
        "d_lr": 1e-4,
    }
    run = train("vaegan", tmp_path / "run", 100, checkpoint_every=10, keep=0, **settings)
    x, errors = pixels[:, None] / 127.5 - 1, []
    for step in 10, 100:
        G = load(run, "vaegan", step).G
        with torch.no_grad():
            mean, log_variance = G.encode(x)
            errors.append((G(mean) - x).square().mean())
    assert mean.shape == log_variance.shape == (16, 50)
    assert errors[1] < errors[0] / 2
