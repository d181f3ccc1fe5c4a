"""Test ``ganctl info``."""

from __future__ import annotations

import json
import shlex
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner
from helpers.plugin_distributions import install

from ganctl.cli.info import info
from ganctl.cli.train import train
from ganctl.config.command_line import with_options
from ganctl.config.resolve import resolve
from ganctl.config.settings import HELP, SHORTHANDS
from ganctl.diagnostics.component_info import description, model_defaults
from ganctl.plugin import discovery
from ganctl.plugin.options import as_text
from ganctl.plugin.registry import component
from ganctl.recipe import Model, Spec


def facts(*args: str) -> dict[str, dict[str, object]]:
    """Return the facts that ``ganctl info … --json`` prints, grouped by kind."""
    result = CliRunner().invoke(info, [*args, "--json"])
    assert result.exception is None, result.output
    return {item["kind"]: item for item in json.loads(result.output)}


def test_info_shows_components_of_all_kinds() -> None:
    shown = facts("dcgan")
    assert set(shown) == {"model", "generator", "discriminator"}
    assert "1511.06434" in str(shown["model"]["paper"])
    assert shown["generator"]["address"] == "ganctl_dcgan.dcgan:Generator"
    assert set(facts("dcgan", "--kind", "generator")) == {"generator"}
    assert set(facts("ganctl:dcgan")) == set(shown)


def test_number_of_parameters_equals_pytorch_gan() -> None:
    """Compare with PyTorch-GAN's MLP at 28×28×1 and its convolutional networks at 32×32×1."""
    assert facts("mlp")["generator"]["parameters"] == {"generator": 1_510_032}
    assert facts("mlp")["discriminator"]["parameters"] == {"discriminator": 533_505}
    shown = facts("dcgan-upsample", "--image-size", "32")["model"]
    assert shown["parameters"] == {"generator": 1_049_985, "discriminator": 98_113}
    assert shown["image_shape"] == [1, 32, 32]


def test_number_of_parameters_depends_on_image_shape() -> None:
    gray, color = facts("gan"), facts("gan", "--channels", "3")
    assert color["model"]["image_shape"] == [3, 28, 28]
    assert gray["model"]["parameters"]["generator"] < color["model"]["parameters"]["generator"]  # type: ignore[index]


def test_unsupported_image_size_is_shown_instead_of_a_parameter_count() -> None:
    shown = facts("dcgan", "--image-size", "17", "--kind", "model")["model"]["parameters"]
    assert "17×17" in shown["generator"]  # type: ignore[index]
    assert "--image-size 16" in shown["generator"]  # type: ignore[index]


def test_every_option_has_a_type_a_default_and_help() -> None:
    options = {option["option"]: option for option in facts("mlp")["generator"]["options"]}  # type: ignore[attr-defined]
    hidden = options["generator.hidden"]
    assert hidden["default"] == "128,256,512,1024"
    assert hidden["type"].startswith("int")
    assert hidden["help"]
    assert {"image", "latent", "num_classes"}.isdisjoint(name.partition(".")[2] for name in options)
    path = facts("folder")["dataset"]["options"][0]  # type: ignore[index]
    assert (path["option"], path["default"]) == ("data.path", None)
    text = CliRunner().invoke(info, ["folder"]).output
    assert "-o data.path=…  (text; required)" in text


SPECIAL = Model(
    name="special",
    summary="Two optimizers, schedules and EMA",
    generator=Spec("mlp", hidden=(7, 8), slope=0.1),
    discriminator=Spec("mlp", hidden=()),
    loss=Spec("hinge"),
    g_optimizer=Spec("adam", lr=1e-4, betas=(0.0, 0.9)),
    d_optimizer=Spec("rmsprop", lr=4e-4, centered=True),
    latent=Spec("uniform", z_dim=8),
    n_critic=5,
    ema=1e4,
    image_size=32,
    schedules={"g_optimizer.lr": "warmup 10, linear 0"},
)


@pytest.mark.parametrize("name", ["special", *(item.name for item in discovery.registry().all("model"))])
def test_printed_defaults_reproduce_the_model_settings(name: str) -> None:
    """Check that a model's printed defaults, passed as options to a different model, give the same settings."""
    registry = discovery.discover().registry
    for model in (SPECIAL, BLANK):
        registry.add(component("model", model.name, model, "s", plugin="p", distribution="d", version="1"))
    words = [
        word for line in model_defaults(registry.get("model", name).load()) for word in shlex.split(line)
    ]
    given = train.make_context("train", ["--model", "blank", "--data", "glyphs", *words]).params
    settings = {k: v for k, v in given.items() if v not in (None, ()) and k in SETTINGS}
    resolved = resolve(registry, with_options(settings, given["component_options"], registry)).config
    expected = resolve(registry, {"model": name, "data": "glyphs"}).config
    assert replace(resolved, model=name) == expected


BLANK = Model(
    name="blank",
    summary="Defaults that differ from all other models",
    generator=Spec("dcgan-upsample"),
    discriminator=Spec("dcgan-upsample"),
    loss=Spec("lsgan"),
    g_optimizer=Spec("sgd", lr=0.5),
    d_optimizer=Spec("sgd", lr=0.5),
    latent=Spec("normal", z_dim=3),
    n_critic=9,
    ema=3.0,
    ema_rampup=0.5,
    batch_size=3,
    image_size=64,
)
SETTINGS = {*HELP, *SHORTHANDS, "optimizer"}


def test_misspelled_name_gets_a_suggestion() -> None:
    error = CliRunner().invoke(info, ["rmsprob"]).exception
    assert "Did you mean 'rmsprop'?" in str(error)
    error = CliRunner().invoke(info, ["hinje", "--kind", "loss"]).exception
    assert str(error).splitlines() == ["There is no loss 'hinje'.", "Did you mean 'hinge'?"]


def test_parameters_are_counted_if_the_constructor_computes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = """
        import ganctl

        @ganctl.hookimpl
        def register_discriminators(register):
            register("computes", "acme_computes:build", summary="Computes in its constructor")

        def build(image):
            import torch
            rates = [rate.item() for rate in torch.linspace(0, 1, 3)]
            return torch.nn.Linear(image.channels, len(rates))
    """
    monkeypatch.syspath_prepend(tmp_path)
    found = discovery.discover(install(tmp_path, "acme-computes", source))
    monkeypatch.setattr(discovery, "registry", lambda: found.registry)
    assert facts("computes")["discriminator"]["parameters"] == {"discriminator": 6}


def test_description_has_no_markup() -> None:
    def factory() -> None:
        """First line of :class:`~a.b.C`
        continues with ``x``.

        Second.

        Args:
            x: not part of the description
        """

    assert description(factory) == "First line of a.b.C continues with x.\n\nSecond."
    assert description(lambda: None) == ""


@pytest.mark.parametrize(
    ("value", "text"),
    [((0.5, 0.999), "0.5,0.999"), (None, "none"), (True, "true"), (2e-4, "0.0002"), ((), ""), ("x", "x")],
)
def test_values_are_formatted_as_text(value: object, text: str) -> None:
    assert as_text(value) == text
