"""What keeps tenants, members, workers and pages of other sites apart at the coordinator."""

from tests.guards.guard import Guard

ENDINGS, STREAM = (
    "tests/integration/test_coordinator_endings.py",
    "tests/integration/test_coordinator_stream.py",
)
ACCESS, KEYS = "tests/security/test_coordinator_access.py", "tests/integration/test_idempotency_keys.py"
IDENTIFY = "coordinator/auth/identify.py"
GUARDS = (
    Guard(
        "the fence",
        "coordinator/executions/fenced.py",
        "    if row.worker_id != worker_id or row.fence != fence:",
        "    if row.worker_id != worker_id:",
        ENDINGS,
        "stale_fence",
    ),
    Guard(
        "whose execution it is",
        "coordinator/executions/fenced.py",
        "    if row.worker_id != worker_id or row.fence != fence:",
        "    if row.fence != fence:",
        ENDINGS,
        "another_worker",
    ),
    Guard(
        "the fence of successes that come together",
        "store/queries/finish_group.sql",
        "            AND e.worker_id = w.worker_id AND e.fence = w.fence AND e.state",
        "            AND e.state",
        "tests/integration/test_coordinator_finishes.py",
    ),
    Guard(
        "the tenant in a query",
        "store/queries/tasks_list.sql",
        "WHERE t.tenant_id = :tenant_id",
        "WHERE (t.tenant_id = :tenant_id OR t.tenant_id <> '')",
        ACCESS,
        "another_tenant",
    ),
    Guard(
        "the tenant of whoever follows the events",
        "store/queries/stream_known.sql",
        "FROM projects WHERE tenant_id = :tenant_id AND",
        "FROM projects WHERE",
        ACCESS,
        "hears_nothing",
    ),
    Guard(
        "the origin of a page",
        IDENTIFY,
        "    return urlsplit(origin).netloc in ours",
        "    return bool(ours)",
        STREAM,
        "another_site",
    ),
    Guard(
        "one connection a ticket",
        "store/queries/ticket_use.sql",
        "DELETE FROM stream_tickets WHERE secret_sha256 = :secret_sha256 RETURNING credential_id, expires_at",
        "SELECT credential_id, expires_at FROM stream_tickets WHERE secret_sha256 = :secret_sha256",
        STREAM,
        "one_connection",
    ),
    Guard(
        "revoked credentials",
        "store/queries/credential_find.sql",
        "        revoked_at IS NOT NULL AS revoked,",
        "        false AS revoked,",
        ACCESS,
        "revoked_token",
    ),
    Guard(
        "tokens for events alone",
        IDENTIFY,
        "    if principal.kind is CredentialKind.EVENTS:\n        raise Unauthenticated\n",
        "",
        "tests/integration/test_events_in.py",
        "does_nothing_else",
    ),
    Guard(
        "whose an idempotency key is",
        "coordinator/idempotency/stored.py",
        "(self.tenant_id, self.caller, self.route, self.key)",
        "(self.key,)",
        KEYS,
        "one_address",
    ),
    Guard(
        "the body of an idempotency key",
        "coordinator/idempotency/stored.py",
        "        return digest(*self.content)",
        '        return digest(b"")',
        KEYS,
        "another_body",
    ),
    Guard(
        "whose a provider's key is",
        "store/queries/key_for_execution.sql",
        "    AND (k.member_id IS NULL OR k.member_id = coalesce(t.key_member_id, t.member_id))\n",
        "",
        "tests/integration/test_sealed_keys.py",
    ),
)
