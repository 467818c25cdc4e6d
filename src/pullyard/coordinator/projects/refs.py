"""What can be told of a project's branch, address and agent without asking git or a worker."""

from pullyard.agents.registry import check_settings
from pullyard.git import names
from pullyard.git.addresses import read_address
from pullyard.protocol.errors import RequestError
from pullyard.protocol.resources import AgentSettings


def check_branch(name: str | None) -> None:
    """None is the default branch. Raises RequestError."""
    if name is not None:
        names.check_branch(name)


def check_repository(address: str) -> None:
    """The worker's own reading, so that no address is taken here and refused there. Raises RequestError."""
    if address.strip().startswith("."):
        raise RequestError(
            f"{address[:120]!r} is relative, and workers have other directories: give an absolute path.",
            code="invalid-repository",
        )
    read_address(address)


def check_default_agent(agent: AgentSettings | None) -> None:
    """A project may leave its agent open, to be given by every task. Raises RequestError."""
    if agent is not None and agent != AgentSettings():
        check_settings(agent.name, agent.settings)
