"""The words in which every agent is told its task."""

from pullyard.protocol.worker import Answer, TaskBrief

_RULES = """\
# Rules

- Work in the current directory: it is a checkout of the repository. Edit its files in place.
- If there is an AGENTS.md, CLAUDE.md or CONTRIBUTING file, read it first.
- Run the project's tests where you can, and leave them passing.
- Commits are not needed, and there is nowhere to push: what you leave in the working directory is taken as
  your change, verified on a clean checkout and reviewed.
{asking}
- Change what the task asks for and nothing else. If there is nothing to change, change nothing and say why.
- End with a short summary of what you did."""


_PLACES = """\
# Repositories

The task may need changes in more than one repository. The current directory is the project's own; beside it,
and to be edited in place just so, are:

"""


_ALONE = """\
- Nobody can answer questions. Where something is unclear, choose the smallest sensible thing and say so."""
_ASKING = """\
- A person may be asked, and may take days to answer. Where something is unclear and a wrong guess would cost
  little, choose the smallest sensible thing and say so."""


def write_prompt(task: TaskBrief, *, can_ask: bool = False) -> str:
    """Markdown. Starts with ``#`` whatever the task says, so it is never taken for a command-line option."""
    sections = [f"# Task {task.number}: {task.title.strip()}"]
    if task.instructions.strip():
        sections.append("# What to do in this step\n\n" + task.instructions.strip())
    if task.description.strip():
        sections.append(task.description.strip())
    if task.answers:
        sections.append("# What a person answered\n\n" + "\n\n".join(map(_answer, task.answers)))
    if task.acceptance_criteria:
        sections.append("# Acceptance criteria\n\n" + _bullets(task.acceptance_criteria))
    if task.target_files:
        sections.append("# Files to look at first\n\n" + _bullets(task.target_files))
    if task.repositories:
        sections.append(_PLACES + _bullets([f"{one.name}: `{one.path}`" for one in task.repositories]))
    sections.append(_RULES.format(asking=_ASKING if can_ask else _ALONE))
    return "\n\n".join(sections) + "\n"


def _answer(answer: Answer) -> str:
    return f"{answer.question.strip()}\n\n" + "\n".join(f"> {line}" for line in answer.answer.splitlines())


def _bullets(items: list[str]) -> str:
    return "\n".join(f"- {item}" for item in items)
