-- Keys of model providers, sealed to workers: this database can't read them. One of each scope and provider.
CREATE TABLE provider_keys (
    id text PRIMARY KEY,
    tenant_id text NOT NULL REFERENCES tenants,
    project_id text REFERENCES projects ON DELETE CASCADE,
    member_id text REFERENCES members,
    provider text NOT NULL,
    -- By the public key that each is sealed to.
    boxes jsonb NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    CHECK (project_id IS NULL OR member_id IS NULL)
);
CREATE UNIQUE INDEX provider_keys_one_each
    ON provider_keys (tenant_id, coalesce(project_id, ''), coalesce(member_id, ''), provider);
