"""Weights & Biases for ganctl."""

import ganctl


@ganctl.hookimpl
def register_trackers(register: ganctl.Register) -> None:
    register("wandb", "ganctl_wandb.tracker:WandB", summary="Weights & Biases, with one W&B run per run")
