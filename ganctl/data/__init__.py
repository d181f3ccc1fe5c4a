"""Image data: decoding in worker processes, the cache on disk, and batches for training."""
