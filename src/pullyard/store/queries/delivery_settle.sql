UPDATE webhook_deliveries SET verdict = :verdict, why = :why, task_id = :task_id, change_id = :change_id
WHERE id = :id
