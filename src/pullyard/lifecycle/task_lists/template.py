"""The task list that a repository without one is offered."""

TEMPLATE = """\
# Task list

Pullyard works through the open items, from the top to the bottom, one pull request each. When an item's pull
request is merged, its box is checked and a status line is added. Write `[-]` into a box to hold an item back.
Start it with `pullyard automation start PROJECT`.

<!--
An item needs nothing but a box and a title. The more it says, the better the result:

- [ ] Add a health endpoint {#health}
  Load balancers ask for it every second, so it must not touch the database.
  - accept: GET /healthz answers 200 within 10 ms
  - accept: it answers while the database is away
  - files: `src/app.py`, `src/routes.py`
  - verify: `make test`
  - priority: high
- [ ] Show the health on the status page
  - after: health
  - labels: gpu=nvidia
  - agent: claude-code
  - budget: 2.50
-->

## To do

"""


def task_list_template() -> str:
    """The text of a new ``task_lists.md``: explains itself, and holds no item that would be run."""
    return TEMPLATE
