UPDATE webhooks SET refused = least(refused + 1, 1000000000), refused_at = now() WHERE id = :id
