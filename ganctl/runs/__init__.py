"""What is kept of a training run: its folder, logs, checkpoints, and how to resume from them."""
