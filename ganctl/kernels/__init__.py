"""Torch operations that are faster than torch's own on some devices and compute the same values."""
