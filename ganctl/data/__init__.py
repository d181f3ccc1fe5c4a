"""Images on their way to training: decoded once in worker processes, cached on disk, and drawn in batches."""
