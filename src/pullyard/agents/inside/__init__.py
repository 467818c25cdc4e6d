"""The built-in agent's own program. It runs inside the sandbox, and prints JSON lines for its adapter."""
