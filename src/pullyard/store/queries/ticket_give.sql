WITH gone AS (
    DELETE FROM stream_tickets WHERE expires_at < now()
)
INSERT INTO stream_tickets (secret_sha256, credential_id, expires_at)
SELECT :secret_sha256, :credential_id, now() + make_interval(secs => CAST(:seconds AS double precision))
WHERE (SELECT count(*) FROM stream_tickets WHERE credential_id = :credential_id AND expires_at >= now()) < :max_open
RETURNING true
