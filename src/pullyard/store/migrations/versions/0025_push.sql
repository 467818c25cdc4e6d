-- What push services know this installation by, and up to where the feed was looked through for devices.
CREATE TABLE push_installation (
    place integer PRIMARY KEY DEFAULT 1 CHECK (place = 1),
    private_key text NOT NULL,
    cursor bigint NOT NULL
);

-- A device is told as long as the login lasts that added it.
CREATE TABLE push_devices (
    id text PRIMARY KEY,
    tenant_id text NOT NULL REFERENCES tenants,
    member_id text NOT NULL REFERENCES members ON DELETE CASCADE,
    credential_id text NOT NULL REFERENCES credentials ON DELETE CASCADE,
    endpoint text NOT NULL UNIQUE,
    p256dh text NOT NULL,
    auth text NOT NULL,
    name text NOT NULL,
    events text[] NOT NULL,
    problem text NOT NULL DEFAULT '',
    delivered_at timestamptz,
    created_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX push_devices_member ON push_devices (tenant_id, member_id);

CREATE TABLE push_deliveries (
    device_id text NOT NULL REFERENCES push_devices ON DELETE CASCADE,
    cursor bigint NOT NULL,
    attempts integer NOT NULL DEFAULT 0,
    due_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (device_id, cursor)
);
CREATE INDEX push_deliveries_due ON push_deliveries (due_at);
