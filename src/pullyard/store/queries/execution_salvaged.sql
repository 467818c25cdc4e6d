UPDATE task_executions SET
    salvage_ref = :salvage_ref,
    facts = facts || jsonb_build_object('salvage', CAST(:salvage AS jsonb))
WHERE id = :id AND salvage_ref IS NULL
