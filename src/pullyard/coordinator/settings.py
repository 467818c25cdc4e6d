"""The coordinator's settings: read once at the entry point and passed down."""

from datetime import timedelta
from pathlib import Path

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from pullyard.protocol.public_addresses import read_private_place


class CoordinatorSettings(BaseSettings):
    model_config = SettingsConfigDict(env_prefix="PULLYARD_", frozen=True, extra="ignore")

    host: str = "127.0.0.1"
    port: int = Field(7420, ge=0, le=65_535, description="0 lets the system choose")
    public_url: str | None = Field(None, description="what a browser types; null: http://host:port")
    tls_certificate: Path | None = Field(
        None, description="PEM file with the server's certificate and its chain; null: plain HTTP"
    )
    tls_key: Path | None = Field(None, description="PEM file with the certificate's private key")
    database_url: SecretStr | None = Field(None, description="null: the embedded Postgres in `data_dir`")
    direct_database_url: SecretStr | None = Field(None, description="for LISTEN, past a connection pooler")
    bus_url: SecretStr | None = Field(
        None, description="`redis://` or `valkey://`, for news between replicas; null: Postgres carries them"
    )
    data_dir: Path | None = None
    database_connections: int = Field(10, ge=2, le=200)
    max_connections: int = Field(
        5000, ge=10, le=1_000_000, description="open connections of everybody; one more is answered 503"
    )
    request_head_seconds: float = Field(15.0, gt=0, description="until a request's head must be whole")
    request_body_seconds: float = Field(
        20.0, gt=0, description="until a request's body must come at 16 KiB a second on average"
    )

    max_running: int = Field(5, ge=1, description="live executions of all projects together")
    heartbeat_seconds: float = Field(10.0, gt=0)
    lease_seconds: float = Field(30.0, gt=0)
    acknowledge_seconds: float = Field(15.0, gt=0)
    caretaker_seconds: float = Field(5.0, gt=0)
    slow_poll_seconds: float = Field(5.0, gt=0)
    drift_seconds: float = Field(60.0, gt=0, description="between two looks for a summary that is wrong")
    change_look_seconds: float = Field(
        60.0, gt=0, description="between two looks at a new change on its forge; less often the older it is"
    )
    errand_seconds: float = Field(120.0, gt=0, description="until an unreported errand is given again")
    worker_credential_seconds: int = Field(86_400, ge=60)
    enrolment_seconds: int = Field(3600, ge=1)
    login_link_seconds: int = Field(900, ge=1)
    first_login_link_seconds: int = Field(86_400, ge=1)
    session_seconds: int = Field(30 * 86_400, ge=60)
    quarantine_failures: int = Field(
        3, ge=0, description="tasks that fail in a row by a worker's fault until it is quarantined; 0: never"
    )
    idempotency_seconds: int = Field(
        86_400, ge=1, description="how long an Idempotency-Key and its answer are kept"
    )
    received_event_seconds: int = Field(
        7 * 86_400, ge=1, description="how long a received event is shown, and its second delivery known"
    )
    log_stream_bytes: int = Field(72 * 1024 * 1024, ge=1)
    log_retention_days: int = Field(
        30, ge=0, le=36_500, description="then a log is removed, but never a conversation; 0: logs stay too"
    )
    archive_url: str | None = Field(
        None,
        description="where ended logs go: `file:///directory` or `s3://bucket/prefix`; null: `archive` in "
        "the data directory beside the embedded Postgres, else they stay in the database",
    )
    archive_after_seconds: float = Field(
        60.0, ge=0, description="from an execution's end until its logs are put away"
    )
    archive_seconds: float = Field(30.0, gt=0, description="between two looks for logs to put away or remove")
    metrics_public: bool = Field(
        default=False, description="answer `/metrics` to everybody; else it takes a token of the owner"
    )
    metrics_token: SecretStr | None = Field(None, description="lets read `/metrics`, and nothing else")
    metrics_projects: int = Field(
        0, ge=0, le=10_000, description="queue metrics for each project, where there are no more than so many"
    )
    stream_ping_seconds: float = Field(20.0, gt=0, description="between two signs of life on a live stream")
    stream_silence_seconds: float = Field(
        60.0, gt=0, description="a live client that says and takes nothing for longer is disconnected"
    )
    stream_connections: int = Field(
        256, ge=1, description="live connections of one person to one coordinator at most"
    )
    push_contact: str | None = Field(
        None,
        pattern=r"^(?:mailto:|https://)",
        description="`mailto:` or `https:`, for push services that have a question; null: `public_url`, "
        "where it is `https:`",
    )
    push_allow_private: tuple[str, ...] = Field(
        (), description="where push services may be besides the internet, such as `10.1.0.0/16:443`"
    )
    otlp_endpoint: str | None = Field(
        None,
        description="where traces go by OTLP over HTTP, such as `http://collector:4318`; null: nowhere, or "
        "where `OTEL_EXPORTER_OTLP_ENDPOINT` says",
    )
    log_json: bool = False
    log_level: str = "info"

    @field_validator("push_allow_private")
    @classmethod
    def _readable(cls, places: tuple[str, ...]) -> tuple[str, ...]:
        for place in places:
            read_private_place(place, "push_allow_private")
        return places

    @property
    def lease(self) -> timedelta:
        return timedelta(seconds=self.lease_seconds)
