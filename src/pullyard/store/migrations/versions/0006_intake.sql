-- What was done under an Idempotency-Key and what was answered, until the key may be used anew. The id is the
-- SHA-256 of tenant, caller, route and key, so that none of them has to fit into an index.
CREATE TABLE idempotency_keys (
    id bytea PRIMARY KEY CHECK (length(id) = 32),
    tenant_id text NOT NULL REFERENCES tenants,
    fingerprint bytea NOT NULL CHECK (length(fingerprint) = 32),
    status integer NOT NULL CHECK (status BETWEEN 200 AND 399),
    headers jsonb NOT NULL,
    body bytea NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz NOT NULL
);
CREATE INDEX idempotency_keys_expired ON idempotency_keys (expires_at);

-- Who did what: written with the deed itself, never changed and never removed.
CREATE TABLE audit_log (
    id text PRIMARY KEY,
    tenant_id text NOT NULL REFERENCES tenants,
    member_id text,
    credential_id text,
    action text NOT NULL,
    target text,
    project_id text,
    details jsonb NOT NULL DEFAULT '{}',
    request_id text NOT NULL DEFAULT '',
    address text NOT NULL DEFAULT '',
    at timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX audit_log_tenant ON audit_log (tenant_id, id);
CREATE INDEX audit_log_target ON audit_log (tenant_id, target, id);
CREATE FUNCTION refuse_change_of_audit_log() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the audit log is only ever added to';
END $$;
CREATE TRIGGER audit_log_is_append_only BEFORE UPDATE OR DELETE ON audit_log
    FOR EACH ROW EXECUTE FUNCTION refuse_change_of_audit_log();

-- A token of the kind `events` may hand events in, and nothing else.
ALTER TABLE credentials DROP CONSTRAINT credentials_kind_check;
ALTER TABLE credentials ADD CONSTRAINT credentials_kind_check
    CHECK (kind IN ('login-link', 'session', 'api', 'events', 'enrolment', 'worker'));

-- Tasks that are made from a cron text. `next_at` is the next tick; null while it is not enabled.
CREATE TABLE schedules (
    id text PRIMARY KEY,
    tenant_id text NOT NULL REFERENCES tenants,
    project_id text NOT NULL REFERENCES projects ON DELETE CASCADE,
    member_id text REFERENCES members,
    name text NOT NULL,
    cron text NOT NULL,
    time_zone text NOT NULL,
    template jsonb NOT NULL,
    enabled boolean NOT NULL,
    overlap text NOT NULL CHECK (overlap IN ('skip', 'queue')),
    next_at timestamptz,
    last_tick timestamptz,
    last_task_id text,
    last_outcome text NOT NULL DEFAULT '',
    version integer NOT NULL DEFAULT 1,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    UNIQUE (project_id, name),
    CHECK (next_at IS NULL OR enabled)
);
CREATE INDEX schedules_tenant ON schedules (tenant_id, id);
CREATE INDEX schedules_due ON schedules (next_at) WHERE next_at IS NOT NULL;

ALTER TABLE tasks ADD COLUMN draft boolean NOT NULL DEFAULT false;
ALTER TABLE tasks ADD COLUMN start_at timestamptz;
-- Null where the project's own policy holds.
ALTER TABLE tasks ADD COLUMN retry jsonb;
ALTER TABLE tasks ADD COLUMN schedule_id text;
ALTER TABLE tasks ADD COLUMN schedule_tick timestamptz;
-- The second guard of a tick, beside the schedule's own row: it makes one task, whoever else fires it.
CREATE UNIQUE INDEX tasks_schedule ON tasks (schedule_id, schedule_tick) WHERE schedule_id IS NOT NULL;
-- After a failed try another worker is given the chance until then, where there was one that could take it.
ALTER TABLE tasks ADD COLUMN avoid_worker_id text;
ALTER TABLE tasks ADD COLUMN avoid_until timestamptz;
CREATE INDEX tasks_avoiding ON tasks (avoid_worker_id) WHERE state = 'queued' AND avoid_worker_id IS NOT NULL;

ALTER TABLE workers ADD COLUMN quarantine_reason text;
ALTER TABLE workers ADD COLUMN released_at timestamptz;
ALTER TABLE workers ADD COLUMN revoked_at timestamptz;
-- Its executions name it, so its row stays; nobody is shown it any more.
ALTER TABLE workers ADD COLUMN removed_at timestamptz;
CREATE INDEX task_executions_worker ON task_executions (worker_id, id);

-- What makes tasks of the events that come in. `type_like` and `source_like` are the patterns as SQL reads them.
CREATE TABLE event_rules (
    id text PRIMARY KEY,
    tenant_id text NOT NULL REFERENCES tenants,
    project_id text NOT NULL REFERENCES projects ON DELETE CASCADE,
    member_id text REFERENCES members,
    name text NOT NULL,
    enabled boolean NOT NULL,
    type_pattern text NOT NULL,
    source_pattern text NOT NULL,
    type_like text NOT NULL,
    source_like text NOT NULL,
    conditions jsonb NOT NULL,
    template jsonb NOT NULL,
    version integer NOT NULL DEFAULT 1,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    UNIQUE (project_id, name)
);
CREATE INDEX event_rules_tenant ON event_rules (tenant_id, id);

-- Events from outside, for a while: so that a second delivery is known, and what matched nothing is seen.
CREATE TABLE received_events (
    id text PRIMARY KEY,
    tenant_id text NOT NULL REFERENCES tenants,
    -- The SHA-256 of source and id, which together may be longer than an index takes.
    identity bytea NOT NULL CHECK (length(identity) = 32),
    source text NOT NULL,
    event_id text NOT NULL,
    type text NOT NULL,
    attributes jsonb NOT NULL,
    data jsonb,
    outcomes jsonb NOT NULL DEFAULT '[]',
    matched boolean NOT NULL DEFAULT false,
    received_at timestamptz NOT NULL DEFAULT now(),
    UNIQUE (tenant_id, identity)
);
CREATE INDEX received_events_tenant ON received_events (tenant_id, id);
CREATE INDEX received_events_old ON received_events (received_at);
