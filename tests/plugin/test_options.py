"""Test ganctl.plugin.options: reading signatures, converting values and reporting mistakes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal, Optional, Union

import pytest
import torch

from ganctl import GanctlError
from ganctl.errors import USAGE
from ganctl.plugin import options

if TYPE_CHECKING:
    from nowhere import Unknown


def network(
    image: Any,
    latent: Any,
    num_classes: int,
    width: int = 64,
    depth: int | None = None,
    hidden: tuple[int, ...] = (8, 4),
    mode: Literal["same", "valid"] = "same",
    slope: float = 0.2,
    untyped=3,
    *others: int,
    **rest: int,
) -> dict[str, Any]:
    """A factory.

    Args:
        image: filled in.
        width: channels next to the image,
            doubled inwards (see: the paper).
        depth (int or None, optional): how many blocks (default: None). More is slower.
        hidden (tuple[float | Tensor, ...], optional):
            one width per layer. (default: (8, 4))
        slope (float, optional) : of the :class:`~torch.nn.LeakyReLU`, see `Maas et al.`_ or ``help``.

    Returns:
        width: not an argument.
    """
    return locals()


def test_options_have_names_types_defaults_and_help() -> None:
    found = {option.name: option for option in options.of("generator", network)}
    assert list(found) == ["width", "depth", "hidden", "mode", "slope", "untyped"]
    assert {name: option.type_name for name, option in found.items()} == {
        "width": "int",
        "depth": "int or none",
        "hidden": "int,int,…",
        "mode": "'same' or 'valid'",
        "slope": "float",
        "untyped": "any",
    }
    assert found["hidden"].default == (8, 4)
    assert found["width"].help == "channels next to the image, doubled inwards (see: the paper)."
    assert found["depth"].help == "how many blocks. More is slower."
    assert found["hidden"].help == "one width per layer."
    assert found["slope"].help == "of the torch.nn.LeakyReLU, see Maas et al. or help."
    assert found["mode"].help == ""


def test_help_of_a_class_is_read_from_its_docstring_and_from_init() -> None:
    class Documented:
        """A class.

        Args:
            a: from the class.
        """

        def __init__(self, a: int, b: int = 1) -> None:
            """Make one.

            Args:
                a: overruled.
                b: from init.
            """

    assert [(o.name, o.help) for o in options.of("generator", Documented)] == [
        ("a", "from the class."),
        ("b", "from init."),
    ]


def test_unresolvable_annotation_does_not_affect_other_options() -> None:
    def factory(latent: Unknown, other: Unknown | None = None, depth: int | None = None) -> None: ...

    assert options.resolve("loss", "it", factory, {"depth": "3", "other": "x"}) == {"depth": 3, "other": "x"}


def test_resolve_adds_defaults_and_call_fills_in_the_parameters() -> None:
    resolved = options.resolve("generator", "x", network, {"width": "32", "hidden": "16,8", "untyped": "4"})
    assert resolved == {
        "width": 32, "depth": None, "hidden": (16, 8), "mode": "same", "slope": 0.2, "untyped": 4,
    }  # fmt: skip
    got = options.call(network, resolved, image="i", latent="z", num_classes=0, params=[])
    assert got["width"] == 32
    assert (got["image"], got["latent"], got["num_classes"], got["rest"]) == ("i", "z", 0, {})


def test_unknown_option_is_an_error_with_the_nearest_name_and_all_types() -> None:
    with pytest.raises(GanctlError) as caught:
        options.resolve("generator", "x", network, {"widht": 3})
    assert caught.value.message == "generator 'x' has no option 'widht'."
    assert "Did you mean 'width'?" in caught.value.hint
    assert "hidden (int,int,…)" in caught.value.hint
    assert caught.value.status == USAGE


@pytest.mark.parametrize("name", ["image", "latent", "others", "rest", "self"])
def test_filled_in_parameters_are_not_options(name: str) -> None:
    with pytest.raises(GanctlError, match=f"has no option '{name}'"):
        options.resolve("generator", "x", network, {name: 1})


def test_missing_option_is_an_error() -> None:
    def factory(path: str) -> None:
        """Args:
        path: folder of the data.
        """

    with pytest.raises(GanctlError, match=r"needs the option 'path' \(text\)"):
        options.resolve("dataset", "x", factory, {})


@pytest.mark.parametrize(
    ("value", "annotation", "expected"),
    [
        ("3", int, 3),
        (3.0, int, 3),
        ("1e-4", float, 1e-4),
        (1, float, 1.0),
        ("0.5,0.999", tuple[float, float], (0.5, 0.999)),
        ("(0.5, 0.999)", tuple[float, float], (0.5, 0.999)),
        ([0, 0.9], tuple[float, float], (0.0, 0.9)),
        ("512,256", tuple[int, ...], (512, 256)),
        ("512", tuple[int, ...], (512,)),
        ("", tuple[int, ...], ()),
        ([512, 256], tuple[int, ...], (512, 256)),
        ("a, 'b'", list[str], ["a", "b"]),
        ("1,2", Sequence[int], (1, 2)),
        ("yes", bool, True),
        ("0", bool, False),
        ("none", bool | None, None),
        (None, Optional[int], None),  # noqa: UP045
        ("true", bool | None, True),
        ("7", Union[int, float], 7),  # noqa: UP007
        ("7.5", int | float, 7.5),
        ("auto", int | str, "auto"),
        ("12", str | int, 12),
        ("2", Literal[1, 2], 2),
        ("1e-3", float | torch.Tensor, 1e-3),
        ("0.5,0.9", tuple[float | torch.Tensor, float | torch.Tensor], (0.5, 0.9)),
        ("word", str, "word"),
    ],
)
def test_valid_values_are_converted(value: object, annotation: Any, expected: object) -> None:
    got = options.convert("it", value, annotation)
    assert got == expected
    assert type(got) is type(expected)


@pytest.mark.parametrize(
    ("value", "annotation", "expected"),
    [
        ("three", int, "int"),
        (2.5, int, "int"),
        (True, int, "int"),
        (True, float, "float"),
        ("fast", float, "float"),
        (10**400, float, "float"),
        ("maybe", bool, "true/false"),
        (1, bool, "true/false"),
        (3, str, "text"),
        ("0.5", tuple[float, float], "float,float"),
        ("0.5,0.9,0.99", tuple[float, float], "float,float"),
        (512, tuple[int, ...], "int,int,…"),
        ("512,wide", tuple[int, ...], "int,int,…"),
        ("2", bool | None, "true/false or none"),
        ("x", float | torch.Tensor, "float"),
        ("same", Literal["valid"], "'valid'"),
    ],
)
def test_invalid_values_are_refused(value: object, annotation: Any, expected: str) -> None:
    with pytest.raises(GanctlError) as caught:
        options.convert("loss 'x': a", value, annotation, shown_default=(0.5, None))
    assert caught.value.message == f"loss 'x': a is {value!r}; expected {expected}."
    assert caught.value.hint == "The default is 0.5,none."
    assert caught.value.status == USAGE


def test_regularizer_with_an_option_every_is_refused() -> None:
    def factory(every: int = 3) -> None: ...

    with pytest.raises(GanctlError, match="has an option 'every', which ganctl adds"):
        options.of("regularizer", factory)
