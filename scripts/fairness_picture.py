"""Draw docs/fairness.svg (``python -m scripts.fairness_picture``): one of 1,000 projects has 90 % of tasks.

Each project is a dot: how many tasks were handed out before its first one, by the real claim and by a plain
queue.
"""

import asyncio
from pathlib import Path

from bench.backlog import make_backlog
from bench.fairness import first_turns, order_of_turns, skewed
from bench.stage import stage

from pullyard.store.database import Database

PROJECTS, TASKS, BATCH = 1000, 10_000, 50
WIDTH, HEIGHT, LEFT, TOP, BOTTOM = 760, 320, 70, 40, 45
TARGET = Path(__file__).parent.parent / "docs" / "fairness.svg"


async def fair(url: str) -> list[int]:
    database = Database(url)
    await database.open()
    try:
        backlog = await make_backlog(database, skewed(PROJECTS, TASKS), max_running=1)
        turns = first_turns(await order_of_turns(backlog, 2 * PROJECTS, BATCH))
    finally:
        await database.close()
    return [turns[f"proj_{number:08}"] for number in range(1, PROJECTS + 1)]


def plain() -> list[int]:
    """First come, first served."""
    places, passed = [], 0
    for tasks in skewed(PROJECTS, TASKS):
        places.append(passed)
        passed += tasks
    return places


def dots(places: list[int], colour: str) -> str:
    """One path of small squares: a thousand circles would be ten times as long."""
    marks = "".join(f"M{x(number):.0f} {y(place):.0f}h2" for number, place in enumerate(places))
    return f'<path d="{marks}" stroke="{colour}" stroke-width="2"/>'


def x(number: int) -> float:
    return LEFT + number * (WIDTH - LEFT - 20) / PROJECTS


def y(place: int) -> float:
    return HEIGHT - BOTTOM - place * (HEIGHT - TOP - BOTTOM) / TASKS


def words(left: float, top: float, text: str, colour: str = "#556", anchor: str = "start") -> str:
    return f'<text x="{left:.0f}" y="{top:.0f}" fill="{colour}" text-anchor="{anchor}">{text}</text>'


def picture(ours: list[int], theirs: list[int]) -> str:
    axes = f"M{LEFT} {TOP}V{HEIGHT - BOTTOM}H{WIDTH - 20}"
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif"'
        ' font-size="13">',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#fff"/>',
        words(LEFT, 20, "Tasks handed out before a project's first one", "#223"),
        f'<path d="{axes}" fill="none" stroke="#99a"/>',
        *(words(LEFT - 8, y(mark) + 4, f"{mark:,}", anchor="end") for mark in (0, 1000, 5000, 9000)),
        words(WIDTH / 2, HEIGHT - 12, "1,000 projects; the first has 9,000 of 10,000 tasks", anchor="middle"),
        dots(theirs, "#b9bcc6"),
        dots(ours, "#1f6feb"),
        words(WIDTH - 30, y(theirs[-1]) - 10, "first come, first served", "#777c8a", "end"),
        words(WIDTH - 30, y(max(ours)) - 12, f"Pullyard: at most {max(ours):,}", "#1f6feb", "end"),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def main() -> None:
    with stage(slow=False) as place:
        ours = asyncio.run(fair(place.database()))
    TARGET.write_text(picture(ours, plain()))


if __name__ == "__main__":
    main()
