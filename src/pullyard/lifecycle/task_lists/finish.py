"""From drafts to items: keys that differ, and what each item waits for, without a circle."""

from collections.abc import Callable, Mapping, Sequence

from pullyard.lifecycle.task_lists.draft import MAX_AFTER, Draft
from pullyard.lifecycle.task_lists.model import ListItem, key_of_title
from pullyard.lifecycle.task_lists.values import references

Warn = Callable[[int, str], None]
"""Takes a line, counted from 0, and a sentence."""


def finish_items(drafts: Sequence[Draft], warn: Warn) -> list[ListItem]:
    keys = distinct_keys(drafts, warn)
    after = resolve(drafts, keys, warn)
    for draft in drafts:
        if missing := draft.missing():
            warn(draft.place.title_line, f"it does not say: {', '.join(missing)}; the defaults hold")
    return [item_of(draft, key, after[key]) for draft, key in zip(drafts, keys, strict=True)]


def item_of(draft: Draft, key: str, after: Sequence[str]) -> ListItem:
    return ListItem(
        key=key,
        title=draft.title,
        mark=draft.mark,
        place=draft.place,
        group=draft.group,
        description="\n".join(draft.description).strip(),
        acceptance_criteria=draft.accept,
        target_files=draft.files,
        verify_commands=draft.verify or None,
        priority=draft.priority or 0,
        labels=sorted(set(draft.labels)),
        after=after,
        agent=draft.agent,
        budget_micros=draft.budget,
        status=draft.status,
    )


def distinct_keys(drafts: Sequence[Draft], warn: Warn) -> list[str]:
    """One key each. The second item of the same id or title gets a number behind it."""
    seen: dict[str, int] = {}
    keys: list[str] = []
    for draft in drafts:
        first = draft.id or key_of_title(draft.title)
        key = first
        while key in seen:
            seen[first] += 1
            key = f"{first}-{seen[first]}"
        seen[key] = 1
        if key != first:
            what = "id" if draft.id else "title"
            warn(draft.place.title_line, f"another item has the same {what}: give this one an id of its own")
        keys.append(key)
    return keys


def resolve(drafts: Sequence[Draft], keys: Sequence[str], warn: Warn) -> Mapping[str, Sequence[str]]:
    """What each item waits for, by keys. What names nothing, or would close a circle, is left out."""
    known: dict[str, str] = {}
    for draft, key in zip(drafts, keys, strict=True):
        known.setdefault(draft.title.casefold(), key)
    known.update((key, key) for key in keys)
    after: dict[str, dict[str, int]] = {key: {} for key in keys}
    for draft, key in zip(drafts, keys, strict=True):
        for line, value in draft.after:
            for word in references(value, known):
                other = known.get(word.strip("`# ").casefold())
                if other is None:
                    warn(line, f"there is no item {word[:80]!r} in this list to wait for")
                elif len(after[key]) < MAX_AFTER:
                    after[key].setdefault(other, line)
    for key, other in closing_edges(after):
        warn(
            after[key].pop(other), f"the item {other!r} waits for this one, so this one does not wait for it"
        )
    return {key: list(others) for key, others in after.items()}


def closing_edges(after: Mapping[str, Mapping[str, int]]) -> list[tuple[str, str]]:
    """Edges without which there is no circle: those that lead back to where a walk comes from."""
    closing: list[tuple[str, str]] = []
    done: set[str] = set()
    for start in after:
        walk = [(start, iter(after[start]))] if start not in done else []
        on_walk = {start}
        while walk:
            key, others = walk[-1]
            other = next(others, None)
            if other is None:
                walk.pop()
                on_walk.discard(key)
                done.add(key)
            elif other in on_walk:
                closing.append((key, other))
            elif other not in done:
                on_walk.add(other)
                walk.append((other, iter(after[other])))
    return closing
