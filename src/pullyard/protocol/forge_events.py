"""What a project does about what happens on its forge: issues, comments, reviews and checks there."""

from typing import Annotated

from pydantic import Field, StringConstraints

from pullyard.protocol.fields import Input, Line

COMMAND = "/pullyard"
LABEL = "pullyard"
Command = Annotated[str, StringConstraints(max_length=60, pattern=r"^/[a-z0-9][a-z0-9-]*$")]


class ForgeEventSettings(Input):
    label: Line = Field(default=LABEL, description="an issue that somebody trusted gives it becomes a task")
    command: Command = Field(
        default=COMMAND,
        description="a comment that begins with it makes a task of its issue, or is answered on its change",
    )
    trusted: list[Line] = Field(
        default_factory=list,
        max_length=200,
        description="accounts of the forge that may ask for work; on Bitbucket account ids or `{uuid}`",
    )
    trust_members: bool = Field(
        default=True,
        description="whoever may write to the repository may, too: a worker asks the forge; a webhook "
        "tells it of GitHub's owner alone",
    )
    respond_to_reviews: bool = Field(
        default=True, description="trusted reviews of our changes are answered by another execution"
    )
    respond_to_checks: bool = Field(
        default=True, description="failing checks of our changes are answered by another execution"
    )
    quiet_seconds: int = Field(
        default=30,
        ge=0,
        le=3600,
        description="so long nothing new may be said of a change before it is answered, all at once",
    )
    poll_issues: bool = Field(
        default=False,
        description="true: a worker looks for labelled issues, where the forge can't reach us by a webhook",
    )
    rounds: int = Field(
        default=3,
        ge=1,
        le=20,
        description="so often it answers one change by itself, and so often it brings one up to date; then a "
        "person is asked",
    )
