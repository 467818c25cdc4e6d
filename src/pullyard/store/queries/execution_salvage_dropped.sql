UPDATE task_executions SET
    facts = facts || jsonb_build_object('salvage',
        coalesce(facts -> 'salvage', '{}') - 'repositories' || jsonb_build_object('dropped', true))
WHERE id = :id AND salvage_ref IS NOT NULL AND facts #> '{salvage,dropped}' IS DISTINCT FROM 'true'
