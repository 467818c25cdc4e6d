INSERT INTO credentials (id, tenant_id, kind, name, member_id, worker_id, secret_sha256, expires_at)
VALUES (:id, :tenant_id, :kind, :name, :member_id, :worker_id, :secret_sha256,
    now() + make_interval(secs => CAST(:seconds AS double precision)))
RETURNING created_at, expires_at
