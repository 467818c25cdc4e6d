"""Pullyard: tasks go in, pull requests come out."""

__version__ = "0.1.0"
