"""The control plane: projects, tasks, queue, logs, feed. Never sees source code."""
