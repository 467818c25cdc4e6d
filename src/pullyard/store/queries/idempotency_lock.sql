-- Held until the transaction ends, however it ends: a process that dies lets go of it.
SELECT pg_try_advisory_xact_lock(:lock)
