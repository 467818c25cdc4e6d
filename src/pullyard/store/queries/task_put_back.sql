-- Stopped with its automation: it goes on from what was saved when it is started again.
UPDATE tasks SET resume_from = coalesce(:resume_from, resume_from) WHERE id = :id
