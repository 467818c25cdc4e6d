-- Where a forge tells of what happens there. Its signatures are made with the secret itself, so no hash will do.
CREATE TABLE webhooks (
    id text PRIMARY KEY,
    tenant_id text NOT NULL REFERENCES tenants,
    project_id text NOT NULL REFERENCES projects ON DELETE CASCADE,
    forge text NOT NULL,
    secret text NOT NULL,
    refused integer NOT NULL DEFAULT 0,
    refused_at timestamptz,
    created_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX webhooks_project ON webhooks (project_id, id);

-- What came, for a while: so that a second delivery is known by its content, which alone is signed.
CREATE TABLE webhook_deliveries (
    id text PRIMARY KEY,
    tenant_id text NOT NULL REFERENCES tenants,
    webhook_id text NOT NULL REFERENCES webhooks ON DELETE CASCADE,
    content bytea NOT NULL CHECK (length(content) = 32),
    event text NOT NULL,
    verdict text NOT NULL DEFAULT 'ignored',
    why text NOT NULL DEFAULT '',
    task_id text,
    change_id text,
    times integer NOT NULL DEFAULT 1,
    received_at timestamptz NOT NULL DEFAULT now(),
    UNIQUE (webhook_id, content)
);
CREATE INDEX webhook_deliveries_newest ON webhook_deliveries (webhook_id, id);
CREATE INDEX webhook_deliveries_old ON webhook_deliveries (received_at);

-- Since when we were told that something happened at a change; a look that began before may have missed it.
ALTER TABLE changes ADD COLUMN hinted_at timestamptz;
