"""Plugins: hooks, discovery, the registry, and options read from signatures. This package never imports torch."""
