"""The operating system: files, signals, memory and progress on a terminal. Nothing here imports torch."""
