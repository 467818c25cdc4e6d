"""What a worker is told by its owner: flags, then environment (``PULLYARD_WORKER_*``), then a TOML file."""

import platform
import socket
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, SecretStr
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from pullyard.protocol.workflows import ForgeName

RepositoryKind = Literal["node", "python", "go", "rust", "java", "plain"]


class GitCredential(BaseModel):
    """Used by the worker alone for one host; it never enters a sandbox."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    username: str = "git"
    token: SecretStr
    plain_http: bool = False
    """Use it over HTTP without TLS, too, on another machine: whoever is between reads it."""


class ForgeSettings(BaseModel):
    """One host where changes are published; used by the worker alone, it never enters a sandbox."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    kind: ForgeName | None = None
    """null: told by the host, for those that everybody knows; ``gitea`` is for Forgejo, too."""
    api_url: str | None = None
    """null: the usual one of its kind."""
    token: SecretStr | None = None
    token_file: Path | None = None
    username: str | None = None
    """Of Bitbucket, with an API token of a person: the account's e-mail address."""
    app_id: str | None = None
    """Of a GitHub App, in place of a token."""
    app_key_file: Path | None = None
    app_installation: int | None = None
    """null: looked up by the repository."""
    ca_file: Path | None = None
    """The authorities to trust there, and no others, as PEM; null: the system's."""
    proxy: str | None = None
    """``http://host:port``; null: as the environment says."""


class ModelEndpoint(BaseModel):
    """A server that speaks the API of a known provider; agents are told its name alone."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    base_url: str
    """As the server's documents have it for clients: that of ``openai`` ends in the version, ``/v1``."""
    api: Literal["openai", "anthropic", "gemini", "vertex", "bedrock"] = "openai"
    key: SecretStr | None = None
    """Without a key, a file or a command, none is sent."""
    key_file: Path | None = None
    """Read again whenever it has changed."""
    key_command: tuple[str, ...] = ()
    """Its arguments; the first line that it prints is the key. No shell is between."""
    key_seconds: float = Field(default=300.0, gt=0)
    """How long what the command printed is used."""
    plain_http: bool = False
    """True: a server elsewhere may be reached without TLS; whoever is between reads keys and code."""


class WorkerSettings(BaseSettings):
    model_config = SettingsConfigDict(
        frozen=True, extra="forbid", env_prefix="PULLYARD_WORKER_", env_nested_delimiter="__"
    )

    coordinator_url: str = "http://127.0.0.1:7420"
    enrolment_token: SecretStr | None = None
    """Needed once: exchanged for a credential that is kept in the data directory."""
    data_directory: Path
    name: str = Field(default_factory=socket.gethostname)
    labels: tuple[str, ...] = ()
    arch: str = Field(default_factory=platform.machine)
    slots: int = Field(default=2, ge=1, le=64)
    once: bool = False
    """Run one execution, then exit: what the runners start."""
    exit_with_parent: bool = False
    """End when standard input does, so that a worker never outlives the process that started it."""

    policy_file: Path | None = None
    """What the owner allows, whatever the coordinator sends; null: ``policy.toml`` in the data directory, or
    ``/etc/pullyard/policy.toml``, or the default policy."""
    sandbox: str | None = None
    """None takes the best measured one; ``unsafe-directory`` must be named here to be used at all."""
    first_uid: int = Field(default=210_000, ge=1000)
    """As root, slot N runs its sandboxes as this account number plus N. Each worker takes 128 accounts for
    itself; where this is not set and another one has these, the next ones are taken."""

    docker_image: str | None = None
    """What containers are measured with, at each start; it must be on the engine already, and hold a shell
    and git. null: ``mcr.microsoft.com/devcontainers/base:debian``."""
    docker_runtime: str | None = None
    """The engine's runtime for containers, such as ``runsc`` of gVisor; null: the engine's own default. It is
    used only where it passes the same measuring."""
    docker_warm_containers: int = Field(default=2, ge=0, le=64)
    """So many containers wait for each image and its bounds, for the four used last, so that no sandbox has
    to wait for one to be made; each takes a few MiB of memory."""
    docker_patience_seconds: float = Field(default=30.0, ge=0, le=600)
    """An engine that is away, such as while it is restarted, is waited for so long by a task that needs it.
    Where nothing else can be used, no further task is taken until it is back."""
    images: dict[RepositoryKind, str] = Field(default_factory=dict[RepositoryKind, str])
    """Of the sandbox ``docker``: the image by kind of repository, ``node``, ``python``, ``go``, ``rust``,
    ``java`` or ``plain``, where neither project nor ``devcontainer.json`` names one; a JSON object."""
    image_registries: tuple[str, ...] = ("docker.io", "ghcr.io", "mcr.microsoft.com", "quay.io")
    """Those whose images a repository's own files may name; a JSON list."""
    image_builds: bool = True
    """Build the Dockerfile that a ``devcontainer.json`` names: a step is held less than in a sandbox."""
    image_build_network: bool = False
    """True: build steps reach whatever the engine's network reaches."""
    image_build_seconds: float = Field(default=1800.0, gt=0)
    image_pull_seconds: float = Field(default=1800.0, gt=0)
    image_bytes: int = Field(default=16 << 30, ge=1 << 20)
    """Most bytes of an image, pulled or built; on the way twice that and 1 GiB of the engine's disk."""

    drain_seconds: float = Field(default=60.0, ge=0)
    """On SIGTERM: how long running executions may finish before they are stopped and salvaged."""
    offline_seconds: float = Field(default=600.0, gt=0)
    """How long work goes on without the coordinator before it is stopped and salvaged."""
    sealed_keys: bool = False
    """True: keys of model providers that people sealed to this worker are used before its own ones."""
    sealing_key_file: Path | None = None
    """The private key for that, which the workers of a pool may share; null: one in the data directory."""
    quota_wait_seconds: float = Field(default=900.0, ge=0)
    """A model provider's limit on a credential is waited for so long; one that ends later ends what needs it,
    and its task is tried again then."""
    log_limit_bytes: int = Field(default=64 << 20, ge=1 << 16)
    """For each stream of an execution; the rest is dropped with a notice."""
    output_limit_bytes: int = Field(default=512 << 20, ge=1 << 16)
    """An agent, or another command, that prints more than this is stopped."""
    minimum_free_bytes: int = Field(default=1 << 30, ge=0)
    """No task is taken while the disk has less room than this."""
    mirror_quota_bytes: int = Field(default=50 << 30, ge=0)
    """Most bytes of all mirrors together; the one unused for longest goes first, unfinished work never."""
    checkout_quota_bytes: int = Field(default=50 << 30, ge=0)
    """Most bytes of all prepared checkouts together; the one unused for longest goes first."""
    project_quota_bytes: int | None = Field(default=None, ge=0)
    """Most bytes that the executions and the unfinished work of one project may take here, with the mirrors
    and checkouts of its repositories and the home of its reused environment; above it none of its tasks
    begins. null: any."""
    allow_plain_http: bool = False
    """Allow repositories over HTTP without TLS on hosts other than this machine."""
    git_allow_private: tuple[str, ...] | None = None
    """Private addresses where repositories may be: ``10.1.0.0/16:443``; a JSON list; null: any where the
    coordinator is on this machine, else none. A host in ``git_credentials`` may be at any, but a cloud's
    metadata is no repository's place."""
    git_credentials: dict[str, GitCredential] = Field(default_factory=dict)
    """By host name, with its port where the repository's address has one; a JSON object. Used over HTTPS;
    over HTTP without TLS only on this machine, or where its own ``plain_http`` is true."""
    commit_name: str = Field(default="Pullyard", min_length=1, max_length=100, pattern=r"^[^\x00-\x1f<>]+$")
    """Author and committer of the commits made here."""
    commit_email: str = Field(
        default="pullyard@pullyard.invalid", max_length=200, pattern=r"^[^\x00-\x20<>]+$"
    )
    """Of that author, such as the address that an account on the forge has."""
    commit_signing_key: Path | None = None
    """A private SSH key without a passphrase: commits are signed with it. null: they are not."""
    forges: dict[str, ForgeSettings] = Field(default_factory=dict)
    """By host name, with its port where the repository's HTTP(S) address has another than the usual one (an
    SSH address is found by the name alone); a JSON object. The credential is for git, too, where
    ``git_credentials`` has none for the host. It goes over HTTP without TLS only on this machine, or where
    ``allow_plain_http`` is true and its own ``api_url`` begins with ``http://``."""

    network: bool = True
    """False: no sandbox reaches any host, whatever a project allows."""
    network_hosts: tuple[str, ...] | None = None
    """The most that any project may reach: ``host``, ``host:port`` or ``registries``; a JSON list; null: what
    the project allows."""
    network_allow_private: tuple[str, ...] = ()
    """Private addresses that sandboxes may reach where a project allows the name: ``10.1.0.0/16:443``; a JSON
    list. A cloud's metadata stays closed."""
    network_resolve: dict[str, str] = Field(default_factory=dict)
    """Addresses by host name, instead of DNS, for sandboxes; a JSON object."""
    upstream_proxy: str | None = None
    """Sandboxes' requests go by this proxy, ``http://host:port``, which then resolves the names."""

    log_json: bool = False
    """Write JSON lines."""
    log_level: str = "info"
    """``debug``, ``info``, ``warning`` or ``error``."""
    otlp_endpoint: str | None = None
    """Where traces go by OTLP over HTTP, such as ``http://collector:4318``; null: nowhere, or where
    ``OTEL_EXPORTER_OTLP_ENDPOINT`` says."""

    anthropic_api_key: SecretStr | None = None
    anthropic_base_url: str = "https://api.anthropic.com"
    openai_api_key: SecretStr | None = None
    """The gateway adds it to calls of OpenAI's models; no sandbox sees it."""
    openai_base_url: str = "https://api.openai.com/v1"
    """Where the gateway sends those calls; it ends in the version."""
    gemini_api_key: SecretStr | None = None
    """The gateway adds it to calls of Gemini's models; no sandbox sees it."""
    gemini_base_url: str = "https://generativelanguage.googleapis.com"
    """Where the gateway sends those calls."""
    model_endpoints: dict[str, ModelEndpoint] = Field(default_factory=dict)
    """Other servers of models by a name of yours: self-hosted ones, OpenRouter, Vertex, Bedrock; a JSON
    object."""
    model_prices: Path | None = None
    """A file with prices of your own, which come before those that the worker knows."""

    @property
    def local_coordinator(self) -> bool:
        return urlsplit(self.coordinator_url).hostname in ("127.0.0.1", "localhost", "::1")

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        del dotenv_settings, file_secret_settings
        return (init_settings, env_settings, TomlConfigSettingsSource(settings_cls, cls.toml_file()))

    @classmethod
    def toml_file(cls) -> Path | None:
        return None


def load_settings(config_file: Path | None, **flags: Any) -> WorkerSettings:
    """Read the settings once, at the entry point. Flags that are None were not given.

    Raises pydantic.ValidationError, and OSError or tomllib.TOMLDecodeError for the file.
    """

    class FromFile(WorkerSettings):
        @classmethod
        def toml_file(cls) -> Path | None:
            return config_file

    given = {name: value for name, value in flags.items() if value is not None}
    return FromFile(**given)
