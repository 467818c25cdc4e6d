UPDATE workers SET
    state = :state,
    labels = :labels,
    arch = :arch,
    slots = :slots,
    software_version = :software_version,
    protocol_version = :protocol_version,
    facts = :facts,
    seen_at = now(),
    lease_expires_at = now() + make_interval(secs => CAST(:lease_seconds AS double precision))
WHERE id = :id
