"""Tensors and run data as images: grids, labelled grids, animations and curves."""
