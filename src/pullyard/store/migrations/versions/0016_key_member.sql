-- Whose own key a task is run on: of who edited or retried it last, '' for nobody's, null while nobody has.
ALTER TABLE tasks ADD COLUMN key_member_id text;
