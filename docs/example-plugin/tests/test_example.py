"""ganctl's checks, a short training run, and tests of each component."""

import math
from pathlib import Path

import pytest
import torch
from ganctl_example.dataset import waves
from ganctl_example.generator import Bilinear
from ganctl_example.loss import Logistic

from ganctl import Batch, GanctlError, ImageShape, Latent


def test_components_pass_ganctls_checks(ganctl_kit):
    ganctl_kit.assert_registration("ganctl_example")
    ganctl_kit.assert_loss("example-logistic", fake_weight=0.5)
    ganctl_kit.assert_generator("example-bilinear", width=8)
    ganctl_kit.assert_dataset("example-waves", n=100)
    ganctl_kit.assert_model("example", generator={"width": 8}, discriminator={"width": 8})


def test_model_trains(ganctl_train):
    small = {"generator": {"width": 8}, "discriminator": {"width": 8}}
    run = ganctl_train("example", data={"name": "example-waves", "n": 64}, **small)
    assert math.isfinite(run.losses[-1]["g_loss"])


def test_fake_weight_multiplies_the_term_of_the_fakes():
    real, fake = Batch(torch.zeros(2)), Batch(torch.zeros(2))
    loss, _ = Logistic(fake_weight=0.5).discriminator_loss(lambda x, y: x, real, fake)
    assert loss.item() == pytest.approx(1.5 * math.log(2))


def test_classes_alternate():
    images = waves(Path(), n=10, size=16)
    assert images.x.shape == (10, 1, 16, 16)
    assert images.y.tolist() == [0, 1] * 5


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Logistic(fake_weight=0), "fake_weight is 0"),
        (lambda: Bilinear(ImageShape(1, 30, 30), Latent(4)), "does not support 30×30 images"),
        (lambda: waves(Path(), n=0), "n is 0"),
    ],
)
def test_invalid_options_are_errors(make, message):
    with pytest.raises(GanctlError, match=message):
        make()
