"""Benchmarks, one command each: ``make bench NAME=...``."""
