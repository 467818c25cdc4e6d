"""Executes tasks where the code lives."""
