"""The step as a graph: on CUDA one launch, on a CPU a trace; in both the same values as eager steps."""
