"""The files of a training run: the run folder, logs and checkpoints, and how to resume from them."""
