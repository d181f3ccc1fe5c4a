"""Log settings, values, samples and the path of the newest checkpoint to Weights & Biases."""

from __future__ import annotations

import os
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import ganctl
from ganctl_trackers.background import Background
from ganctl_trackers.final_state import final_state
from ganctl_trackers.hyperparameters import hyperparameters

if TYPE_CHECKING:
    from PIL.Image import Image

ID_FILE = "wandb-run-id.txt"


class WeightsAndBiases(ganctl.Tracker):
    """Log a run to Weights & Biases. A resumed run continues its W&B run, whose ID is in ``wandb-run-id.txt``.

    Args:
        project: W&B project. By default, WANDB_PROJECT if it is set, otherwise ganctl.
        entity: User or team that owns the project. By default, W&B's default entity.
        mode: online, or offline to upload later with 'wandb sync'. By default, WANDB_MODE if it is set, otherwise
            online.
    """

    def __init__(
        self,
        folder: Path,
        config: Mapping[str, Any],
        project: str | None = None,
        entity: str | None = None,
        mode: Literal["online", "offline"] | None = None,
    ) -> None:
        try:
            import wandb
        except ImportError as error:
            raise ImportError("wandb is not installed; run pip install 'ganctl[wandb]'") from error

        self._wandb = wandb
        self._folder = folder
        self._run: Any = None
        self._background = Background("wandb")
        id_file = folder / ID_FILE
        if not id_file.exists():
            id_file.write_text(secrets.token_hex(4) + "\n")
        # W&B ignores steps that it already has. A resumed run repeats such steps with the same values.
        start = {
            "project": project or os.environ.get("WANDB_PROJECT") or "ganctl",
            "entity": entity,
            "mode": mode,
            "name": folder.resolve().name,
            "id": id_file.read_text().strip(),
            "resume": "allow",
            "dir": str(folder),
            # Do not print, do not capture printed output, and do not wait long for the network at the end.
            "settings": wandb.Settings(silent=True, console="off", init_timeout=30),
        }
        self._background.submit(lambda: self._start(start, hyperparameters(config)))

    def scalars(self, step: int, values: Mapping[str, float]) -> None:
        numbers = dict(values)
        self._background.submit(lambda: self._run.log(numbers, step=step))

    def image(self, step: int, name: str, image: Image) -> None:
        self._background.submit(lambda: self._run.log({name: self._wandb.Image(image)}, step=step))

    def checkpoint(self, step: int, path: Path) -> None:
        self._background.submit(lambda: self._run.summary.update({"checkpoint": str(path.resolve())}))

    def close(self) -> None:
        failed = final_state(self._folder) in ("diverged", "failed")
        try:
            self._background.submit(lambda: self._run.finish(exit_code=int(failed)))
        finally:
            self._background.close()

    def _start(self, options: Mapping[str, Any], settings: Mapping[str, Any]) -> None:
        self._run = self._wandb.init(**options)
        self._run.config.update(dict(settings), allow_val_change=True)  # some settings may change on resume
