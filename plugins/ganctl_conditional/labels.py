"""Check that the data has labels."""

from __future__ import annotations

from ganctl import DATA, GanctlError


def require_labels(component: str, num_classes: int) -> int:
    """Return ``num_classes``.

    Raises:
        GanctlError: if the data has no labels, which ``component`` needs.
    """
    if num_classes < 1:
        raise GanctlError(
            f"The {component} needs labels, but this dataset has none.",
            "Choose data with labels (such as a folder with one subfolder per class), or a model without classes.",
            status=DATA,
        )
    return num_classes
