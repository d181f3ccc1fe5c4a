"""Log settings, values, samples and the path of the newest checkpoint to MLflow."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from filelock import FileLock

import ganctl
from ganctl_trackers.background import Background
from ganctl_trackers.final_state import final_state
from ganctl_trackers.hyperparameters import hyperparameters

if TYPE_CHECKING:
    from PIL.Image import Image

ID_FILE = "mlflow-run-id.txt"
END = {"stopped": "KILLED", "diverged": "FAILED", "failed": "FAILED"}  # MLflow's name for the final state


class MLflow(ganctl.Tracker):
    """Log a run to MLflow. A resumed run continues its MLflow run, whose ID is in ``mlflow-run-id.txt``.

    MLflow does not allow parentheses in names. For example, ``D(G(z))`` is logged as ``D_G_z``.

    Args:
        experiment: MLflow experiment. By default, MLFLOW_EXPERIMENT_NAME if it is set, otherwise ganctl.
        uri: Address of a server or database, such as sqlite:///mlflow.db. By default, MLFLOW_TRACKING_URI if it
            is set, otherwise MLflow's default.
    """

    def __init__(
        self, folder: Path, config: Mapping[str, Any], experiment: str | None = None, uri: str | None = None
    ) -> None:
        try:
            from mlflow import MlflowClient
        except ImportError as error:
            raise ImportError("mlflow is not installed; run pip install 'ganctl[mlflow]'") from error

        self._folder = folder
        self._client: Any = None
        self._id = ""
        self._last_steps: dict[str, int] = {}  # last step that an earlier session logged
        self._background = Background("mlflow")
        experiment = experiment or os.environ.get("MLFLOW_EXPERIMENT_NAME") or "ganctl"

        def start() -> None:
            with FileLock(
                folder.parent / ".mlflow.lock"
            ):  # two runs of a sweep cannot create the same local database at the same time
                self._client = MlflowClient(tracking_uri=uri)
            self._id = self._continue_run() or self._create_run(experiment, hyperparameters(config))
            self._client.log_artifact(self._id, str(folder / "config.toml"))

        self._background.submit(start)

    def scalars(self, step: int, values: Mapping[str, float]) -> None:
        numbers = {metric_name(name): value for name, value in values.items()}
        self._background.submit(lambda: self._log(step, numbers))

    def image(self, step: int, name: str, image: Image) -> None:
        self._background.submit(lambda: self._client.log_image(self._id, image, key=name, step=step))

    def checkpoint(self, step: int, path: Path) -> None:
        self._background.submit(lambda: self._client.set_tag(self._id, "checkpoint", str(path.resolve())))

    def close(self) -> None:
        state = END.get(final_state(self._folder), "FINISHED")
        try:
            self._background.submit(lambda: self._client.set_terminated(self._id, status=state))
        finally:
            self._background.close()

    def _continue_run(self) -> str | None:
        """Return the ID of the MLflow run that an earlier session created, or None if MLflow does not have this run."""
        from mlflow.exceptions import MlflowException

        id_file = self._folder / ID_FILE
        if not id_file.exists():
            return None
        id = id_file.read_text().strip()
        try:
            found = self._client.get_run(id)
        except MlflowException as error:
            if error.error_code != "RESOURCE_DOES_NOT_EXIST":
                raise
            return None
        for name in found.data.metrics:
            self._last_steps[name] = max(m.step for m in self._client.get_metric_history(id, name))
        self._client.update_run(id, status="RUNNING")
        return id

    def _create_run(self, experiment: str, settings: Mapping[str, Any]) -> str:
        found = self._client.get_experiment_by_name(experiment)
        experiment_id = found.experiment_id if found else self._client.create_experiment(experiment)
        id = self._client.create_run(experiment_id, run_name=self._folder.resolve().name).info.run_id
        (self._folder / ID_FILE).write_text(f"{id}\n")
        for name, value in settings.items():
            self._client.log_param(id, name, value)
        return str(id)

    def _log(self, step: int, numbers: Mapping[str, float]) -> None:
        """Log ``numbers``, unless ``step`` is a repeated step that an earlier session has already logged."""
        from mlflow.entities import Metric

        now = int(time.time() * 1000)
        new = [
            Metric(name, value, now, step)
            for name, value in numbers.items()
            if step > self._last_steps.get(name, -1)
        ]
        self._client.log_batch(self._id, metrics=new)


def metric_name(name: str) -> str:
    """Return ``name`` without the characters that MLflow rejects, for example ``D_G_z`` for ``D(G(z))``."""
    return re.sub(r"[^\w\-. :/]+", "_", name).strip("_")
