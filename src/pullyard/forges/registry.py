"""The forges there are, by name."""

from collections.abc import Callable

from pullyard.forges.access import Access
from pullyard.forges.bare import BareForge
from pullyard.forges.bitbucket import BitbucketForge
from pullyard.forges.gitea import GiteaForge
from pullyard.forges.github import GitHubForge
from pullyard.forges.gitlab import GitLabForge
from pullyard.forges.protocol import Forge
from pullyard.git.program import Git

FORGES: dict[str, Callable[[Git, Access], Forge]] = {
    "bare": BareForge,
    "github": GitHubForge,
    "gitlab": GitLabForge,
    "gitea": GiteaForge,
    "bitbucket": BitbucketForge,
}
