"""Trackers: destinations for the values and images of a training run, in addition to its folder."""

from __future__ import annotations

import ganctl


@ganctl.hookimpl
def register_trackers(register: ganctl.Register) -> None:
    register(
        "tensorboard",
        "ganctl_trackers.tensorboard:TensorBoard",
        summary="TensorBoard event files; view them with: tensorboard --logdir runs",
    )
    register(
        "wandb",
        "ganctl_trackers.weights_and_biases:WeightsAndBiases",
        summary="Weights & Biases; requires: pip install 'ganctl[wandb]'",
    )
    register(
        "mlflow",
        "ganctl_trackers.mlflow_tracker:MLflow",
        summary="MLflow, with a server or a local store; requires: pip install 'ganctl[mlflow]'",
    )
