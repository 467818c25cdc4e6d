"""The table on the terminal and the results on the disk."""

import json
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

from bench.figures import Figure

RESULTS = Path(__file__).with_name("results")
MARKS = {None: "", True: "yes", False: "NO"}


def write(name: str, figures: Sequence[Figure], conditions: dict[str, object]) -> Path:
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{name}.json"
    results = {"figures": [figure.document() for figure in figures], "conditions": conditions}
    path.write_text(json.dumps(results, indent=2) + "\n")
    return path


def show(name: str, figures: Sequence[Figure], conditions: dict[str, object]) -> None:
    table(name, figures)
    Console().print(", ".join(f"{name}: {value}" for name, value in conditions.items()), soft_wrap=True)


def table(name: str, figures: Sequence[Figure]) -> None:
    # What several figures have in common is said once, under the table.
    notes = list(dict.fromkeys(figure.conditions for figure in figures if figure.conditions))
    rows = Table("figure", "value", "against", "ratio", "goal", "met", "note", title=f"bench {name}")
    for figure in figures:
        against = "" if figure.against is None else figure.against
        if figure.against_value is not None:
            against += f": {figure.against_value:.4g} {figure.unit}"
        rows.add_row(
            figure.figure,
            value_of(figure),
            against,
            "" if figure.ratio is None else f"{figure.ratio:.2f}",
            figure.goal.text(figure.unit) if figure.goal else "",
            MARKS[figure.met],
            str(notes.index(figure.conditions) + 1) if figure.conditions else "",
        )
    console = Console()
    console.print(rows)
    for number, note in enumerate(notes, 1):
        console.print(f"{number}. {note}", soft_wrap=True)


def value_of(figure: Figure) -> str:
    if figure.value is None:
        return "failed" if figure.failed else "not measured"
    return f"{figure.value:.4g} {figure.unit}"
