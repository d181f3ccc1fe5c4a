"""Tensors and run data as images: grids, labeled grids, animations and curves."""
