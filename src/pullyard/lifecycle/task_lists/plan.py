"""What of a list is to be run now, and in which order its tasks are made."""

from collections.abc import Mapping, Sequence

from pullyard.lifecycle.task_lists.model import ListItem, ListWarning, Mark


def runnable(items: Sequence[ListItem]) -> tuple[list[ListItem], list[ListWarning]]:
    """The open items that wait for no held one, those before that others wait for; and why others are held.

    An item that is done holds nothing back, so it is no reason to wait.
    """
    by_key = {item.key: item for item in items}
    ordered = in_order(items)
    held: dict[str, str] = {}
    warnings: list[ListWarning] = []
    runs: list[ListItem] = []
    for item in ordered:
        if item.mark is Mark.HELD:
            held[item.key] = item.title
        if item.mark is not Mark.OPEN:
            continue
        cause = next((key for key in item.after if key in held and by_key[key].mark is not Mark.DONE), None)
        if cause is None:
            runs.append(item)
        else:
            held[item.key] = item.title
            warnings.append(ListWarning(item.line, f"It waits for {held[cause][:80]!r}, which is held."))
    return runs, warnings


def in_order(items: Sequence[ListItem]) -> list[ListItem]:
    """As they stand in the file, but each behind all that it waits for; there is no circle among them."""
    by_key: Mapping[str, ListItem] = {item.key: item for item in items}
    ordered: dict[str, ListItem] = {}
    for item in items:
        walk = [(item, iter(item.after))]
        while walk:
            current, others = walk[-1]
            other = next((key for key in others if key not in ordered), None)
            if other is None:
                walk.pop()
                ordered[current.key] = current
            else:
                walk.append((by_key[other], iter(by_key[other].after)))
    return list(ordered.values())
