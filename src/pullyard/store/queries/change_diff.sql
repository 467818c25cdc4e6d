SELECT diff, diff_truncated FROM changes WHERE id = :id AND tenant_id = :tenant_id
