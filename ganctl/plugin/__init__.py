"""Plugins: hooks, discovery, the registry, and options read from signatures. Nothing here imports torch."""
