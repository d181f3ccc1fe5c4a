"""Weights & Biases for ganctl."""

import ganctl


@ganctl.hookimpl
def register_trackers(register: ganctl.Register) -> None:
    register("wandb", "ganctl_wandb.tracker:WandB", summary="Weights & Biases: one W&B run for each run")
