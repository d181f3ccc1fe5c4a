"""Plugins: hooks, discovery, the registry, and options read from signatures. Nothing in this package imports torch."""
