"""Images, grids, animations and curves."""
