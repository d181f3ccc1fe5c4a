"""Data without labels."""

from __future__ import annotations

from ganctl import DATA, GanctlError


def classes(what: str, num_classes: int) -> int:
    """``num_classes``, if there are any.

    Raises:
        GanctlError: there are none, and ``what`` needs labels.
    """
    if num_classes < 1:
        raise GanctlError(
            f"The {what} needs labels, and this dataset has none.",
            "Choose data with labels (a folder of one folder a class), or a model without classes.",
            status=DATA,
        )
    return num_classes
