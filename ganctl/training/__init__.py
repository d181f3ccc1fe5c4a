"""The shared training engine: the step, what surrounds it, and the loop."""
