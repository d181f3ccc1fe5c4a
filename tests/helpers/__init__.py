"""Shared by tests: small runs, made-up run folders, processes, environments."""
