UPDATE task_executions SET
    state = :state,
    question = question || jsonb_build_object(
        'answer', CAST(:answer AS text), 'answered_at', now(), 'answered_by', CAST(:member_id AS text))
WHERE id = :id
