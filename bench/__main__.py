"""``python -m bench NAME [WORDS]``: measure, print a table, write ``bench/results/NAME.json``.

Exit code 0 whether the goals are met or not, for a goal that is missed is a result; 1 where something failed
and could not be measured, which costs nothing else; 2 for words that name nothing. ``core`` and ``web`` take
``--only ROW`` (repeatable), ``--slow`` and ``--list``; ``sandbox`` takes ``--only ROW``, and ``agents`` takes
``--only AGENT``.
"""

import signal
import sys
from collections.abc import Callable, Sequence
from functools import partial

from bench import agents, main_job, report, rows, sandbox
from bench.conditions import conditions
from bench.figures import Figure

Measure = Callable[[Sequence[str]], Sequence[Figure]]
BENCHES: dict[str, Measure] = {
    "main": main_job.measure,
    "core": partial(rows.measure, "core"),
    "web": partial(rows.measure, "web"),
    "sandbox": sandbox.measure,
    "agents": agents.measure,
}


def main(words: Sequence[str]) -> int:
    if not words or words[0] not in BENCHES:
        sys.stderr.write(f"Name one benchmark: make bench NAME=x, with x one of {', '.join(BENCHES)}.\n")
        return 2
    name = words[0]
    # What was started for a row is ended with it, also where the run is ended from outside.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    before = conditions()
    figures = BENCHES[name](words[1:])
    # A part must not take the place of a whole result.
    path = report.write(f"{name}-part" if "--only" in words else name, figures, before)
    report.show(name, figures, before)
    sys.stdout.write(f"Written to {path}.\n")
    return 1 if any(figure.failed for figure in figures) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
