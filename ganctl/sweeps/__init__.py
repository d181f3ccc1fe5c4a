"""Sweeps: many runs that differ in a few settings, in one folder, trained by any number of processes."""
