"""Image data: decoding in worker processes, caching on disk, and batches for training."""
