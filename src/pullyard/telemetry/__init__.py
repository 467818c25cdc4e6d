"""Traces of executions over coordinator and worker, which nothing loads until somebody asks for them; and the
loops beside all else, whose bugs are told here alone."""
