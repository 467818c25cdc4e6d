-- As of tasks: until then an errand is for workers whose owners may allow it.
ALTER TABLE errands ADD COLUMN refused_by text[];
ALTER TABLE errands ADD COLUMN refused_until timestamptz;
