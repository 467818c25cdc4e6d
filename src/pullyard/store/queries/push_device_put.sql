INSERT INTO push_devices (id, tenant_id, member_id, credential_id, endpoint, p256dh, auth, name, events)
VALUES (:id, :tenant_id, :member_id, :credential_id, :endpoint, :p256dh, :auth, :name, CAST(:events AS text[]))
ON CONFLICT (endpoint) DO UPDATE SET
    tenant_id = excluded.tenant_id, member_id = excluded.member_id, credential_id = excluded.credential_id,
    p256dh = excluded.p256dh, auth = excluded.auth, name = excluded.name, events = excluded.events, problem = ''
