"""Generate samples and latent walks from a checkpoint, and write them to files."""
