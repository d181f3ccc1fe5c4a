from __future__ import annotations

from pathlib import Path

import pytest

from ganctl import GanctlError
from ganctl.config.resolve import resolve
from ganctl.config.settings import HELP, Config
from ganctl.plugin import discovery
from ganctl.system import toml

BASE = {"model": "dcgan", "data": "glyphs"}


def config(*layers: dict[str, object]) -> Config:
    return resolve(discovery.registry(), BASE, *layers).config


def error(*layers: dict[str, object]) -> GanctlError:
    with pytest.raises(GanctlError) as caught:
        config(*layers)
    assert caught.value.status == 2
    return caught.value


def test_model_provides_the_defaults() -> None:
    resolved = config()
    assert resolved.g_optimizer.name == "adam"
    assert resolved.g_optimizer.options["betas"] == (0.5, 0.999)
    assert resolved.epochs == 20
    assert resolved.steps is None


def test_later_layers_override_earlier_layers() -> None:
    resolved = config({"batch_size": 32, "seed": 3}, {"batch-size": "16"})
    assert (resolved.batch_size, resolved.seed) == (16, 3)


@pytest.mark.parametrize("layer", [{"lr": 0.1, "d_lr": 0.2}, {"d_lr": 0.2, "lr": 0.1}])
def test_specific_setting_overrides_general_setting_regardless_of_order(layer: dict[str, object]) -> None:
    resolved = config(layer)
    assert resolved.g_optimizer.options["lr"] == 0.1
    assert resolved.d_optimizer.options["lr"] == 0.2


def test_changed_optimizer_keeps_only_the_learning_rate() -> None:
    resolved = config({"lr": 1e-3}, {"optimizer": "rmsprop"})
    for optimizer in (resolved.g_optimizer, resolved.d_optimizer):
        assert optimizer.name == "rmsprop"
        assert optimizer.options["lr"] == 1e-3
        assert "betas" not in optimizer.options
    assert config({"d_optimizer": "sgd"}).g_optimizer.name == "adam"


def test_changed_generator_uses_its_own_defaults() -> None:
    resolved = config({"generator": {"name": "dcgan", "width": 16}}, {"generator": "mlp"})
    assert "width" not in resolved.generator.options


def test_options_are_converted_to_their_types() -> None:
    resolved = config({"generator": {"width": "32"}, "z_dim": "7", "d_optimizer": {"betas": "0,0.9"}})
    assert resolved.generator.options["width"] == 32
    assert resolved.latent.options["z_dim"] == 7
    assert resolved.d_optimizer.options["betas"] == (0.0, 0.9)


def test_data_can_be_a_folder_path(tmp_path: Path) -> None:
    assert config({"data": str(tmp_path)}).data.options["path"] == str(tmp_path)
    assert config({"data": "./faces"}).data.name == "folder"
    assert config({"data": "mnist"}).data.name == "mnist"


@pytest.mark.parametrize(
    "settings", [{}, {"steps": 10, "ema": 500.0}, {"optimizer": "sgd", "image_size": 32}]
)
def test_config_is_unchanged_by_a_round_trip_through_toml(
    tmp_path: Path, settings: dict[str, object]
) -> None:
    resolved = config(settings)
    file = tmp_path / "config.toml"
    file.write_text(resolved.to_toml(), encoding="utf-8")
    assert resolve(discovery.registry(), toml.read(file)).config == resolved
    assert resolve(discovery.registry(), resolved.to_dict()).config == resolved
    assert Config.from_dict(resolved.to_dict()).to_dict() == resolved.to_dict()


def test_config_file_contains_every_setting_with_its_help() -> None:
    text = config().to_toml()
    for name, help_text in HELP.items():
        assert name in text
        assert help_text in text


def test_later_setting_of_the_run_length_replaces_an_earlier_one() -> None:
    assert config({"epochs": 3}, {"steps": 9}).epochs is None
    assert config({"steps": 9}, {"epochs": 3}).steps is None


@pytest.mark.parametrize(
    ("layer", "words"),
    [
        ({"model": "dgcan"}, ["'dgcan'", "Did you mean 'dcgan'?"]),
        ({"loss": "bec"}, ["'bec'", "'bce'"]),
        ({"batch_sise": 3}, ["batch_sise", "batch_size"]),
        ({"batch_size": "many"}, ["batch_size", "many", "int"]),
        ({"batch_size": 0}, ["batch_size is 0; expected a whole number from 1 to 1,000,000"]),
        ({"lr": -1}, ["learning rate", "expected a number from 1e-12 to 1e9"]),
        ({"lr": "nan"}, ["learning rate"]),
        ({"precision": "fp8"}, ["precision", "'bf16'"]),
        ({"epochs": 1, "steps": 1}, ["Both"]),
        ({"generator": {"widht": 3}}, ["widht", "Did you mean 'width'?", "depth"]),
        ({"generator": {"width": "wide"}}, ["generator 'dcgan': width", "'wide'", "int"]),
        ({"ema": -5}, ["ema"]),
        ({"ema": float("inf")}, ["ema is inf; expected a number from 0.001 to 1e12"]),
        ({"image_size": 10**30}, ["image_size"]),
        ({"z_dim": 10**30}, ["z_dim", "1,000,000"]),
        ({"data": ""}, ["name of the dataset is empty"]),
        ({"seed": -1}, ["seed"]),
        ({"latent": "gauss"}, ["latent 'gauss'", "normal"]),
        ({"generator": 3}, ["generator is 3"]),
        ({"data": {"name": "no-such"}}, ["dataset 'no-such'"]),
    ],
)
def test_errors_contain_the_setting_the_value_and_a_fix(layer: dict[str, object], words: list[str]) -> None:
    text = str(error(layer))
    for word in words:
        assert word in text


def test_changing_the_model_is_refused_if_the_config_sets_components() -> None:
    with pytest.raises(GanctlError, match="components of the model 'dcgan'"):
        config(config().to_dict(), {"model": "gan"})
    assert config({"model": "gan"}).generator.name == "mlp"


def test_model_and_data_are_required() -> None:
    with pytest.raises(GanctlError, match="No model"):
        resolve(discovery.registry(), {"data": "mnist"})
    with pytest.raises(GanctlError, match="No dataset"):
        resolve(discovery.registry(), {"model": "dcgan"})


def test_toml_round_trip_preserves_values(tmp_path: Path) -> None:
    special = 'quote " backslash \\ newline \n tab \t del \x7f é 漢 🎲'
    table = {
        "text": special,
        "float": 1e-8,
        "int": 3,
        "yes": True,
        "list": [0.5, 0.999],
        "t": {"a": special, "empty": []},
    }
    file = tmp_path / "x.toml"
    file.write_text(toml.write(table, {"int": "three"}), encoding="utf-8")
    assert toml.read(file) == table


def test_toml_errors_contain_the_file_name(tmp_path: Path) -> None:
    file = tmp_path / "bad.toml"
    file.write_text("model = dcgan\n")
    with pytest.raises(GanctlError, match=r"bad\.toml is not TOML"):
        toml.read(file)
    with pytest.raises(GanctlError, match=r"Cannot read .*none\.toml"):
        toml.read(tmp_path / "none.toml")


def test_type_errors_show_the_default_of_the_model() -> None:
    """The model's value takes precedence over the defaults of the setting and of the component."""
    assert error({"model": "wgan", "n_critic": "many"}).hint == "The default is 5."
    assert error({"g_optimizer": {"betas": "many"}}).hint == "The default is 0.5,0.999."
    assert error({"g_optimizer": {"name": "adamw", "betas": "many"}}).hint == "The default is 0.9,0.999."
    assert error({"optimizer": {"name": "rmsprop", "lr": "fast"}}).hint == "The default is 0.0002."
    assert error({"image_size": "big"}).hint == "The default is none."


def test_data_root_may_be_a_path() -> None:
    config = resolve(
        discovery.registry(), {"model": "gan", "data": "glyphs", "data_root": Path("some/data")}
    ).config
    assert config.data_root == str(Path("some/data"))
