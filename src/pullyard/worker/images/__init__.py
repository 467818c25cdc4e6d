"""Which image an execution runs in, and how it comes to the worker's engine."""
