SELECT revoked_at IS NULL AND (expires_at IS NULL OR expires_at > now()) FROM credentials WHERE id = :id
