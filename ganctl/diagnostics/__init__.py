"""Descriptions of this installation and of components, and benchmarks of training."""
