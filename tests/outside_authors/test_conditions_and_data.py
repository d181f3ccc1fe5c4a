"""Variants of GANs with conditions, schedules and unusual data, written from the documentation only."""

import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy
import pytest
import torch
from PIL import Image

import ganctl

HERE = Path(__file__).parent
NARROW = {"generator": {"width": 8}, "discriminator": {"width": 8}, "samples": 4, "trackers": "none"}

# ganctl train calls D(x, y) with images even if the loss never does: a D of codes cannot be trained.


def plugins(*names):
    return [HERE / f"{name}.py" for name in names]


def train(model, data, out, files, **settings):
    return ganctl.train(
        model, data, out=out, plugins=plugins(*files), quiet=True, log_every=1, **{**NARROW, **settings}
    )


def weights(run, files):
    return ganctl.load(run.path, plugins=plugins(*files))


def assert_resumes_exactly(folder, model, data, files, **settings):
    whole = train(model, data, folder / "whole", files, steps=8, **settings)
    train(model, data, folder / "resumed", files, steps=4, **settings)
    resumed = ganctl.train(resume_from=folder / "resumed", steps=8, plugins=plugins(*files), quiet=True)
    assert resumed.losses == whole.losses
    one, other = weights(whole, files), weights(resumed, files)
    for part in "GD":
        torch.testing.assert_close(
            getattr(one, part).state_dict(), getattr(other, part).state_dict(), rtol=0, atol=0
        )


@pytest.fixture
def photos(tmp_path):
    """Dark red and bright blue-green images, so that the gray level determines the color."""
    folder = tmp_path / "photos"
    folder.mkdir()
    for i in range(40):
        color = (160, 60 + i, 60) if i % 2 else (100, 200, 220 - i)
        Image.new("RGB", (16, 16), color).save(folder / f"{i:02}.png")
    return {"name": "gray-and-color", "path": str(folder)}


@pytest.fixture
def satellite(tmp_path):
    """Band k is near 300·k, so that the bands differ in brightness."""
    random = numpy.random.default_rng(0)
    bands = 300 * numpy.arange(13).reshape(1, 13, 1, 1) + random.integers(0, 100, (64, 13, 16, 16))
    numpy.save(tmp_path / "satellite.npy", bands.astype(numpy.uint16))
    return tmp_path


AAE = {"batch_size": 50, "z_dim": 4, "generator": {"width": 64}, "discriminator": {"width": 64}}
GLYPHS = {"name": "glyphs", "n": 200}


def test_adversarial_autoencoder_resumes_exactly(tmp_path):
    assert_resumes_exactly(tmp_path, "aae", GLYPHS, ["adversarial_autoencoder"], **AAE)


def test_adversarial_term_moves_the_codes_to_the_prior(tmp_path):
    files = ["adversarial_autoencoder"]
    with_term = train("aae", GLYPHS, tmp_path / "with", files, steps=200, **AAE)
    without = train("aae", GLYPHS, tmp_path / "without", files, steps=200, loss={"weight": 0.0}, **AAE)
    assert abs(with_term.losses[-1]["code_mean"]) < 2 < 3 < abs(without.losses[-1]["code_mean"])
    assert with_term.losses[-1]["code_std"] < 0.7 * without.losses[-1]["code_std"]
    assert with_term.losses[-1]["reconstruction"] < 0.5 * with_term.losses[0]["reconstruction"]
    assert ganctl.load(with_term.path, plugins=plugins(*files)).sample(3).shape == (3, 1, 28, 28)


def test_adversarial_autoencoder_trains_the_encoder_through_a_discriminator_of_codes():
    sys.path.insert(0, str(HERE))
    try:
        import adversarial_autoencoder as aae
    finally:
        sys.path.remove(str(HERE))
    torch.manual_seed(0)
    image, latent = ganctl.ImageShape(1, 8, 8), SimpleNamespace(dim=4)
    network, critic = aae.Autoencoder(image, latent, width=8), aae.CodeDiscriminator(latent, width=8)
    G = lambda z, y=None, c=None: network(z, y)  # noqa: E731
    G.module = network
    real, fake = (
        ganctl.Batch(torch.rand(5, 1, 8, 8)),
        ganctl.Batch(torch.zeros(5, 1, 8, 8), z=torch.randn(5, 4)),
    )
    loss = aae.AdversarialAutoencoderLoss()
    loss.discriminator_loss(SimpleNamespace(module=critic), real, fake, G)[0].backward()
    assert all(weight.grad is None for weight in network.parameters())
    assert all(weight.grad is not None for weight in critic.parameters())
    loss.generator_loss(SimpleNamespace(module=critic), real, fake, G)[0].backward()
    assert all(weight.grad.abs().sum() > 0 for weight in network.parameters())


COLORIZER = {
    "generator": {"name": "colorizer", "width": 8},
    "discriminator": {"name": "pair", "width": 8},
    "regularizers": ["l1"],
    "batch_size": 20,
    "z_dim": 2,
}


def test_colorization_resumes_exactly(tmp_path, photos):
    assert_resumes_exactly(tmp_path, "dcgan", photos, ["colorization"], **COLORIZER)


def test_colorizer_learns_the_color_of_each_gray_level(tmp_path, photos):
    run = train("dcgan", photos, tmp_path / "run", ["colorization"], steps=100, g_lr=3e-3, **COLORIZER)
    sampler = ganctl.load(run.path, plugins=plugins("colorization"))
    dark, bright = torch.tensor([100, 167], dtype=torch.uint8).view(2, 1, 1, 1).expand(-1, -1, 16, 16)
    for gray, strong, weak in ((dark, 0, 1), (bright, 1, 0)):
        red_green_blue = sampler.sample(4, c=gray.unsqueeze(0)).mean((0, 2, 3))
        assert red_green_blue[strong] > red_green_blue[weak] + 0.1


def test_samples_of_the_colorizer_use_gray_images_in_the_checkpoint(tmp_path, photos):
    run = train("dcgan", photos, tmp_path / "run", ["colorization"], steps=2, **COLORIZER)
    sampler = ganctl.load(run.path, plugins=plugins("colorization"))
    assert sampler.sample(6).shape == (6, 3, 16, 16)
    assert sampler.conditions_in_turn(6).shape == (6, 1, 16, 16)


CYCLE = {"batch_size": 16, "lr": 1e-3}


def test_cyclegan_resumes_exactly(tmp_path):
    assert_resumes_exactly(tmp_path, "cyclegan", "two-domains", ["cyclegan", "synthetic"], **CYCLE)


def test_cyclegan_translates_an_image_to_the_other_domain_and_back(tmp_path):
    run = train("cyclegan", "two-domains", tmp_path / "run", ["cyclegan", "synthetic"], steps=120, **CYCLE)
    assert run.losses[-1]["cycle_a"] < 0.3 * run.losses[0]["cycle_a"]
    assert run.losses[-1]["cycle_b"] < 0.3 * run.losses[0]["cycle_b"]
    sampler = ganctl.load(run.path, plugins=plugins("cyclegan"))
    in_b = sampler.conditions_in_turn(8)
    in_a = sampler.sample(8, c=in_b, seed=1)
    assert torch.equal(in_a, sampler.sample(8, c=in_b, seed=2))
    back = sampler.with_options(back=True).sample(8, c=in_a)
    assert (back - in_b).abs().mean() < 0.3


def test_cyclegan_without_conditions_is_refused(tmp_path):
    with pytest.raises(ganctl.GanctlError, match="needs images of the other domain"):
        train("cyclegan", GLYPHS, tmp_path / "run", ["cyclegan"], steps=2)


FADE = {
    "batch_size": 16,
    "schedules": {"generator.alpha": "linear 1 over 6", "discriminator.alpha": "linear 1 over 6"},
    "checkpoint_every": 2,
    "keep": 0,
}


def test_fade_in_resumes_exactly(tmp_path):
    assert_resumes_exactly(tmp_path, "fade-in", GLYPHS, ["fade_in"], **FADE)


def test_alpha_of_both_networks_and_of_the_averaged_generator_moves_from_0_to_1(tmp_path):
    run = train("fade-in", GLYPHS, tmp_path / "run", ["fade_in"], steps=10, **FADE)
    samplers = [ganctl.load(file, plugins=plugins("fade_in")) for file in run.checkpoints]
    steps = torch.tensor([sampler.step for sampler in samplers])
    expected = ((steps - 1) / 6).clamp(0, 1)
    for part in "GD":
        assert torch.stack([getattr(sampler, part).alpha for sampler in samplers]) == pytest.approx(expected)


def test_generator_repeats_low_resolution_pixels_until_alpha_rises(tmp_path):
    schedules = {"generator.alpha": "constant", "discriminator.alpha": "constant"}
    low = train("fade-in", GLYPHS, tmp_path / "low", ["fade_in"], steps=3, **{**FADE, "schedules": schedules})
    full = train("fade-in", GLYPHS, tmp_path / "full", ["fade_in"], steps=8, **FADE)
    for run, repeats in ((low, True), (full, False)):
        x = ganctl.load(run.path, plugins=plugins("fade_in")).sample(4)
        assert torch.equal(x[..., ::2, ::2], x[..., 1::2, 1::2]) == repeats


def test_satellite_gan_resumes_exactly(tmp_path, satellite):
    settings = {"data_root": satellite, "batch_size": 16}
    assert_resumes_exactly(tmp_path, "satellite-gan", "satellite", ["satellite"], **settings)


def test_samples_of_13_bands_are_uint16_in_the_range_of_the_data(tmp_path, satellite):
    settings = {"data_root": satellite, "batch_size": 16, "lr": 5e-3, "steps": 60}
    run = train("satellite-gan", "satellite", tmp_path / "run", ["satellite"], **settings)
    file = tmp_path / "samples.npz"
    command = ["sample", "--ckpt", run.path, "--n", "5", "--plugin", HERE / "satellite.py", "--out", file]
    subprocess.run([sys.executable, "-m", "ganctl", *map(str, command)], check=True)
    images = numpy.load(file)["images"]
    assert images.dtype == numpy.uint16
    assert images.shape == (5, 16, 16, 13)
    assert images.max() <= 4095
    x = ganctl.load(run.path, plugins=plugins("satellite")).sample(5)
    expected = ((x.permute(0, 2, 3, 1) + 1) / 2 * 4095).numpy()
    numpy.testing.assert_allclose(images, expected, atol=0.51)
    means = images.mean((0, 1, 2))
    assert means[9:].min() > means[:4].max() + 500
