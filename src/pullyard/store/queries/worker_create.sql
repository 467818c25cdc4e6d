INSERT INTO workers (id, tenant_id, name, state, labels, arch, slots, software_version, protocol_version, facts,
    seen_at, lease_expires_at)
VALUES (:id, :tenant_id, :name, :state, :labels, :arch, :slots, :software_version, :protocol_version, :facts,
    now(), now() + make_interval(secs => CAST(:lease_seconds AS double precision)))
