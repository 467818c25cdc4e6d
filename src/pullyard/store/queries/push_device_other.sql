-- Another's, or with other keys: what waits for it is not for whoever has the endpoint now.
DELETE FROM push_devices
WHERE endpoint = :endpoint
    AND (tenant_id, member_id, p256dh, auth) <> (:tenant_id, :member_id, :p256dh, :auth)
