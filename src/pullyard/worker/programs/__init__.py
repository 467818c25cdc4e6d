"""The agents' programs on this worker: installed once, shown to every sandbox, read-only."""
