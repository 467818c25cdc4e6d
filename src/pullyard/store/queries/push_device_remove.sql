DELETE FROM push_devices WHERE tenant_id = :tenant_id AND member_id = :member_id AND id = :id
