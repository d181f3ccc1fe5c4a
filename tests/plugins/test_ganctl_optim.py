"""Test ganctl_optim."""

from __future__ import annotations

import inspect

import pytest
import torch
from torch import nn

from ganctl import GanctlError
from ganctl.plugin import discovery, options

CLASSES = {
    "adam": torch.optim.Adam,
    "adamw": torch.optim.AdamW,
    "rmsprop": torch.optim.RMSprop,
    "sgd": torch.optim.SGD,
}


@pytest.mark.parametrize(("name", "cls"), CLASSES.items())
def test_all_options_of_torchs_optimizers_are_available_with_help(name: str, cls: type) -> None:
    factory = discovery.registry().get("optimizer", name).load()
    assert factory is cls
    found = options.of("optimizer", factory)
    assert {o.name for o in found} == set(inspect.signature(cls).parameters) - {"params"}
    for option in found:
        # Some torch releases do not document all options of SGD.
        documented = f"        {option.name} (" in (cls.__doc__ or "")
        assert bool(option.help) == documented, option.name
        assert "`" not in option.help
        assert "(default:" not in option.help


@pytest.mark.parametrize("name", CLASSES)
def test_options_have_the_expected_types(name: str) -> None:
    found = {
        o.name: o.type_name
        for o in options.of("optimizer", discovery.registry().get("optimizer", name).load())
    }
    assert found["lr"] == "float"
    assert found["weight_decay"] == "float"
    assert found["foreach"] == "true/false or none"
    assert found["maximize"] == "true/false"
    if "betas" in found:
        assert found["betas"] == "float,float"
    if "fused" in found:
        assert found["fused"] == "true/false or none"
    if "capturable" in found:
        assert found["capturable"] == "true/false"


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        (
            "adam",
            {"lr": "2e-4", "betas": "0.5,0.999", "foreach": "none"},
            {"betas": (0.5, 0.999), "lr": 2e-4},
        ),
        ("adamw", {"weight_decay": "0.1", "amsgrad": "true"}, {"weight_decay": 0.1, "amsgrad": True}),
        ("rmsprop", {"alpha": "0.9", "centered": "yes"}, {"alpha": 0.9, "centered": True}),
        (
            "sgd",
            {"momentum": "0.9", "nesterov": "1", "foreach": "no"},
            {"momentum": 0.9, "nesterov": True},
        ),
    ],
)
def test_optimizer_from_text_options_updates_weights(
    name: str, text: dict[str, str], expected: dict[str, object]
) -> None:
    factory = discovery.registry().get("optimizer", name).load()
    network = nn.Linear(3, 1)
    optimizer = options.call(
        factory, options.resolve("optimizer", name, factory, text), params=network.parameters()
    )
    assert {key: optimizer.defaults[key] for key in expected} == expected
    before = network.weight.detach().clone()
    network(torch.ones(2, 3)).sum().backward()
    optimizer.step()
    assert not torch.equal(before, network.weight)


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("adam", {"betas": "0.5"}, "betas is '0.5'; expected float,float"),
        ("adam", {"lr": "fast"}, "lr is 'fast'; expected float"),
        ("sgd", {"nesterov": "perhaps"}, "expected true/false"),
        ("rmsprop", {"betas": "0.5,0.9"}, "has no option 'betas'"),
        ("adam", {"params": "x"}, "has no option 'params'"),
    ],
)
def test_invalid_options_are_rejected(name: str, text: dict[str, str], message: str) -> None:
    factory = discovery.registry().get("optimizer", name).load()
    with pytest.raises(GanctlError) as caught:
        options.resolve("optimizer", name, factory, text)
    assert message in caught.value.message
