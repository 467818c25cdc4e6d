"""Traces of executions over coordinator and worker; nothing of it is loaded until somebody asks for it."""
