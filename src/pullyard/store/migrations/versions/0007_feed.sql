-- Good for one WebSocket at any replica. Only the ticket's hash is here, and for half a minute at most.
CREATE TABLE stream_tickets (
    secret_sha256 bytea PRIMARY KEY CHECK (length(secret_sha256) = 32),
    credential_id text NOT NULL REFERENCES credentials ON DELETE CASCADE,
    expires_at timestamptz NOT NULL
);
CREATE INDEX stream_tickets_expire ON stream_tickets (expires_at);
CREATE INDEX stream_tickets_credential ON stream_tickets (credential_id);
