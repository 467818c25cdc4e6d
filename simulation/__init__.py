"""Deterministic simulation: the real code of coordinator and worker in a world that is not real.

Clock, network, store and forge are simulated. One history is one seed: a few tasks, a few workers, and every
fault of ``docs/explanation/reliability.md``, in milliseconds. ``make simulate HISTORIES=n SEED=s`` runs many;
a violation prints the command that replays it.
"""
