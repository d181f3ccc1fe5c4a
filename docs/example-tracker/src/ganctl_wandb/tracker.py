"""A ganctl training as a run of Weights & Biases."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import ganctl

if TYPE_CHECKING:
    from PIL.Image import Image


class WandB(ganctl.Tracker):
    """Numbers, pictures and settings of a training in Weights & Biases.

    Args:
        project: The W&B project.
        entity: The user or team that the project belongs to; none for W&B's default.
        mode: online; or offline, to be sent later with 'wandb sync'.
    """

    def __init__(
        self,
        folder: Path,
        config: Mapping[str, Any],
        project: str = "ganctl",
        entity: str | None = None,
        mode: Literal["online", "offline"] = "online",
    ) -> None:
        import wandb  # here and not above: only whoever uses it waits for it

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
            resume="allow",  # a training that goes on is one W&B run; of steps that come again the first count
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
