"""Log a ganctl run to a run of Weights & Biases."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import ganctl

if TYPE_CHECKING:
    from PIL.Image import Image


class WandB(ganctl.Tracker):
    """Log the numbers, images and settings of a run to Weights & Biases.

    Args:
        project: The W&B project.
        entity: The user or team that owns the project. By default, W&B's default.
        mode: online, or offline to upload later with 'wandb sync'.
    """

    def __init__(
        self,
        folder: Path,
        config: Mapping[str, Any],
        project: str = "ganctl",
        entity: str | None = None,
        mode: Literal["online", "offline"] = "online",
    ) -> None:
        import wandb  # imported here, so that listing the options does not import wandb

        self._wandb = wandb
        id_file = folder / "wandb-id.txt"
        if not id_file.exists():
            id_file.write_text(wandb.util.generate_id())
        self._run = wandb.init(
            project=project,
            entity=entity,
            mode=mode,
            name=folder.resolve().name,
            id=id_file.read_text(),
            resume="allow",  # a resumed run continues its W&B run, which ignores steps that are logged again
            dir=str(folder),
            config=dict(config),
            settings=wandb.Settings(silent=True),
        )

    def scalars(self, step: int, values: Mapping[str, float]) -> None:
        self._run.log(dict(values), step=step)

    def image(self, step: int, name: str, image: Image) -> None:
        self._run.log({name: self._wandb.Image(image)}, step=step)

    def close(self) -> None:
        self._run.finish()
