"""Training: the step that all models share, its setup, and the loop around it."""
