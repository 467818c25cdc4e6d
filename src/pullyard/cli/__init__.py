"""Starts processes, talks through sdk."""
