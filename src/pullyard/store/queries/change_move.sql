UPDATE changes SET state = :state, merged_commit = :merged_commit, version = version + 1, updated_at = now()
WHERE id = :id
