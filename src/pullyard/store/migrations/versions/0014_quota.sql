-- Until then a worker's provider limits the credential that the queued task needs; null for most.
ALTER TABLE tasks ADD COLUMN quota_until timestamptz;
