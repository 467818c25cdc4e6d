"""What can be told of a project's branch, address and agent without asking git or a worker."""

from pullyard.agents.registry import check_settings
from pullyard.git import names
from pullyard.git.addresses import read_address
from pullyard.protocol.errors import RequestError
from pullyard.protocol.resources import AgentSettings, ChangeRuleSettings


def check_branch(name: str | None) -> None:
    """None is the default branch. Raises RequestError."""
    if name is not None:
        names.check_branch(name)


def check_rules(rules: ChangeRuleSettings | None) -> None:
    """Raises RequestError for branches that git would not take."""
    if rules is not None:
        names.check_branch(f"{rules.branch_prefix}1-x")


def check_repository(address: str) -> None:
    """The worker's own reading, so that no address is taken here and refused there. Raises RequestError."""
    if address.strip().startswith("."):
        raise RequestError(
            f"{address[:120]!r} is relative, and workers have other directories: give an absolute path.",
            code="invalid-repository",
        )
    login = read_address(address).login
    if login is not None and login.password:
        raise RequestError(
            "This address holds a password: leave it out, and give it to the workers as a git credential.",
            code="invalid-repository",
        )


def check_default_agent(agent: AgentSettings | None) -> None:
    """A project may leave its agent open, to be given by every task. Raises RequestError."""
    if agent is not None and agent != AgentSettings():
        check_settings(agent.name, agent.settings)
