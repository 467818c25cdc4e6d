UPDATE projects SET automation_policy = :policy, version = version + 1, updated_at = now() WHERE id = :project_id
