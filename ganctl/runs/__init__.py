"""Files of a training run: the run folder, logs and checkpoints, and resuming from them."""
