"""Forges whose webhooks are understood, by the name that a webhook has for them."""

from collections.abc import Mapping

from pullyard.coordinator.webhooks.bitbucket import BitbucketReader
from pullyard.coordinator.webhooks.gitea import GiteaReader
from pullyard.coordinator.webhooks.github import GitHubReader
from pullyard.coordinator.webhooks.gitlab import GitLabReader
from pullyard.coordinator.webhooks.protocol import Reader

READERS: Mapping[str, Reader] = {
    "github": GitHubReader(),
    "gitlab": GitLabReader(),
    "gitea": GiteaReader(),
    "bitbucket": BitbucketReader(),
}
