-- Frames of many streams, one of each, every one exactly at its stream's end and under the right fence: those
-- that are told were appended, and why another one was not is found out by itself. The execution's row is
-- locked, so that no frame comes after its end; who has it locked is not waited for, because that one may be
-- waiting for a row that is locked here.
WITH frame AS (
    SELECT * FROM unnest(CAST(:tenant_ids AS text[]), CAST(:worker_ids AS text[]), CAST(:execution_ids AS text[]),
        CAST(:fences AS bigint[]), CAST(:streams AS text[]), CAST(:offsets AS bigint[]), CAST(:sizes AS integer[]),
        CAST(:lines AS integer[]), CAST(:frames AS bytea[]))
        AS f (tenant_id, worker_id, execution_id, fence, stream, start_offset, size_bytes, lines, data)
), execution AS (
    SELECT id, tenant_id, worker_id, fence FROM task_executions
    WHERE id = ANY(CAST(:execution_ids AS text[])) AND finished_at IS NULL
    FOR SHARE SKIP LOCKED
), grown AS (
    UPDATE log_streams s SET size_bytes = s.size_bytes + f.size_bytes, lines = s.lines + f.lines
    FROM frame f JOIN execution e
        ON (e.id, e.tenant_id, e.worker_id, e.fence) = (f.execution_id, f.tenant_id, f.worker_id, f.fence)
    WHERE s.execution_id = f.execution_id AND s.stream = f.stream AND s.size_bytes = f.start_offset
    RETURNING s.execution_id, s.stream, f.start_offset, f.size_bytes, s.lines - f.lines AS start_line, f.lines,
        f.data
)
INSERT INTO log_chunks (execution_id, stream, start_offset, size_bytes, start_line, lines, codec, data)
SELECT execution_id, stream, start_offset, size_bytes, start_line, lines, 'zstd', data FROM grown
RETURNING execution_id, stream
