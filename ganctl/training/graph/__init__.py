"""Replays of a step without Python: a CUDA graph on a GPU, a trace on a CPU, with the same values as eager steps."""
