-- Who found the work good, as of which commit; the newest of them.
ALTER TABLE changes ADD COLUMN approved_commit text;
ALTER TABLE changes ADD COLUMN approved_by text;
ALTER TABLE changes ADD COLUMN approved_at timestamptz;
