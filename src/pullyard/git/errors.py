"""What can go wrong with a repository, by name; every message says what to do."""

from collections.abc import Iterable

from pullyard.protocol.errors import RemoteFailure, RequestError


class GitFailed(Exception):
    """A local git command failed: a bug, a full disk or a damaged repository; ``stderr`` says which."""

    def __init__(self, command: str, exit_code: int, stderr: str, *, timed_out: bool = False) -> None:
        super().__init__(f"git {command} ended with {exit_code}: {stderr[-2000:].strip()}")
        self.exit_code = exit_code
        self.stderr = stderr
        self.timed_out = timed_out


class GitMissing(Exception):
    """There is no git program here, or it is too old; the message says which version is needed."""


class RepositoryUnreachable(RemoteFailure):
    """Nobody answers at the address, it refuses us, or what is there is no repository."""

    def __init__(self, message: str, *, retryable: bool) -> None:
        super().__init__(message, retryable=retryable, code="repository-unreachable")


class RepositoryEmpty(RequestError):
    """The repository has no commit yet."""

    def __init__(self, url: str) -> None:
        super().__init__(
            f"The repository {url} has no commits: push a first one and try again.", code="repository-empty"
        )


class BaseBranchMissing(RequestError):
    """The branch to start from does not exist there."""

    def __init__(self, branch: str | None, existing: Iterable[str]) -> None:
        names = sorted(existing)
        shown = ", ".join(names[:20]) + (f" and {len(names) - 20} more" if len(names) > 20 else "")
        what = f"no branch {branch!r}" if branch else "no default branch"
        super().__init__(
            f"The repository has {what}: choose one of {shown}.",
            code="base-branch-missing",
            details={"branches": names[:100]},
        )


class PushRefused(RemoteFailure):
    """The repository is reachable but did not take the push; nothing of anybody's was overwritten."""

    def __init__(self, message: str) -> None:
        super().__init__(message, retryable=False, code="push-refused")
