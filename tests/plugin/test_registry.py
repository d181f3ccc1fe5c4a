from __future__ import annotations

import pytest

from ganctl import GanctlError
from ganctl.errors import USAGE
from ganctl.plugin.registry import Registry, component


def make(name: str, distribution: str = "acme", kind: str = "loss", target: object = "math:sqrt") -> Registry:
    registry = Registry()
    registry.add(
        component(kind, name, target, "A summary", plugin="p", distribution=distribution, version="1")
    )
    return registry


def test_error_for_an_unknown_name_suggests_the_nearest_name() -> None:
    with pytest.raises(GanctlError) as caught:
        make("hinge").get("loss", "hinje")
    assert caught.value.message == "There is no loss 'hinje'."
    assert caught.value.hint == "Did you mean 'hinge'? See: ganctl list losses"
    assert caught.value.status == USAGE


def test_error_for_an_unknown_name_without_a_near_match_lists_all_names() -> None:
    with pytest.raises(GanctlError, match="Choose from: hinge"):
        make("hinge").get("loss", "zzz")
    with pytest.raises(GanctlError, match="ganctl list models"):
        make("hinge").get("model", "zzz")


def test_hint_for_a_name_of_another_kind_contains_the_option_for_that_kind() -> None:
    registry = make("r1", kind="regularizer")
    with pytest.raises(GanctlError) as caught:
        registry.get("loss", "r1")
    assert caught.value.hint == (
        "There is a regularizer of this name: --regularizer r1. See: ganctl list losses"
    )
    with pytest.raises(GanctlError, match="--data glyphs"):
        make("glyphs", kind="dataset").get("loss", "glyphs")


@pytest.mark.parametrize("name", ["acme:hinge", "Acme:hinge", "ACME:hinge"])
def test_distribution_and_name_select_a_component(name: str) -> None:
    assert make("hinge").get("loss", name).name == "hinge"


def test_distribution_names_are_normalized_before_comparison() -> None:
    assert make("hinge", "My_Plugin.x").get("loss", "my-plugin-x:hinge").distribution == "My_Plugin.x"


def test_wrong_distribution_is_not_found() -> None:
    with pytest.raises(GanctlError, match="no loss 'other:hinge'"):
        make("hinge").get("loss", "other:hinge")


def test_name_registered_twice_by_one_distribution_is_an_error_for_its_authors() -> None:
    registry = make("hinge")
    registry.add(
        component("loss", "hinge", "math:cos", "Another", plugin="q", distribution="acme", version="1")
    )
    with pytest.raises(GanctlError, match="Ask the authors of acme"):
        registry.get("loss", "hinge")


@pytest.mark.parametrize("name", ["", "Upper", "a b", "-a", "a-", "a:b", "a/b", "ä", 7, None])
def test_invalid_names_are_refused(name: object) -> None:
    with pytest.raises(ValueError, match="lower-case"):
        component("loss", name, "a:b", "s", plugin="p", distribution="d", version="1")


@pytest.mark.parametrize("name", ["wgan-gp", "r3gan", "dcgan_64", "a.b", "0"])
def test_valid_names_are_accepted(name: str) -> None:
    assert make(name).get("loss", name).name == name


@pytest.mark.parametrize("target", ["", "module", "module:", ":attribute", "a b:c", "a:b c", "a:1"])
def test_invalid_addresses_are_refused(target: str) -> None:
    with pytest.raises(ValueError, match="module:attribute"):
        component("loss", "x", target, "s", plugin="p", distribution="d", version="1")


def test_address_may_be_an_attribute_of_a_class_and_target_may_be_a_callable() -> None:
    assert make("x", target="collections:OrderedDict.fromkeys").get("loss", "x").load() is not None
    assert make("x", target=len).get("loss", "x").load() is len


@pytest.mark.parametrize("summary", ["", "  ", None, 3])
def test_summary_is_required(summary: object) -> None:
    with pytest.raises(ValueError, match="no summary"):
        component("loss", "x", "a:b", summary, plugin="p", distribution="d", version="1")
