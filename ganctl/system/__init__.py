"""The operating system: files, signals, memory, processors and progress. Nothing here imports torch."""
