"""``python -m bench NAME``: measure, print a table, write ``bench/results/NAME.json``.

Exit code 0 whether the goals are met or not, for a goal that is missed is a result; 2 for an unknown name.
"""

import sys
from collections.abc import Callable, Sequence

from bench import main_job, report
from bench.conditions import conditions
from bench.figures import Figure

BENCHES: dict[str, Callable[[], Sequence[Figure]]] = {"main": main_job.measure}


def main(words: Sequence[str]) -> int:
    if len(words) != 1 or words[0] not in BENCHES:
        sys.stderr.write(f"Name one benchmark: make bench NAME=x, with x one of {', '.join(BENCHES)}.\n")
        return 2
    name = words[0]
    before = conditions()
    figures = BENCHES[name]()
    path = report.write(name, figures, before)
    report.show(name, figures, before)
    sys.stdout.write(f"Written to {path}.\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
