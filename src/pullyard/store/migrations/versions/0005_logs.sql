-- Where a log's bytes are: in the frames that the worker sent, in a few large frames in this database,
-- in object storage, or nowhere any more.
ALTER TABLE log_streams
    ADD COLUMN place text NOT NULL DEFAULT 'frames'
        CHECK (place IN ('frames', 'compacted', 'archived', 'expired')),
    ADD COLUMN settled_at timestamptz,
    ADD COLUMN expired_at timestamptz,
    -- Of the raw bytes, once no more of them come.
    ADD COLUMN sha256 bytea CHECK (length(sha256) = 32),
    ADD COLUMN object_key text,
    ADD COLUMN object_bytes bigint,
    ADD COLUMN object_sha256 bytea CHECK (length(object_sha256) = 32),
    -- One archiver at a time: the object it is writing, and until when nobody else tries.
    ADD COLUMN attempt_key text,
    ADD COLUMN attempt_until timestamptz,
    ADD CHECK (place <> 'archived' OR object_key IS NOT NULL),
    ADD CHECK (place NOT IN ('frames', 'compacted') OR object_key IS NULL),
    ADD CHECK ((expired_at IS NOT NULL) = (place = 'expired')),
    ADD CHECK (place = 'frames' OR (sha256 IS NOT NULL AND settled_at IS NOT NULL)),
    -- A row is rewritten with each frame: there has to be room beside it.
    SET (fillfactor = 50);
CREATE INDEX log_streams_unsettled ON log_streams (place, execution_id) WHERE place IN ('frames', 'compacted');
CREATE INDEX log_streams_kept ON log_streams (settled_at) WHERE place IN ('compacted', 'archived');
CREATE INDEX log_streams_unwanted ON log_streams (execution_id) WHERE place = 'expired' AND object_key IS NOT NULL;

-- How many lines end before a chunk: with it any line is found by one look into an index.
-- Where the data is null, the frame stands in the stream's object.
ALTER TABLE log_chunks
    ADD COLUMN start_line bigint NOT NULL DEFAULT 0,
    ADD COLUMN object_offset bigint,
    ADD COLUMN object_bytes integer,
    ALTER COLUMN data DROP NOT NULL,
    ADD CHECK ((data IS NULL) = (object_offset IS NOT NULL)),
    ADD CHECK ((object_offset IS NULL) = (object_bytes IS NULL));
UPDATE log_chunks c SET start_line = before.lines
FROM (
    SELECT execution_id, stream, start_offset,
        sum(lines) OVER (PARTITION BY execution_id, stream ORDER BY start_offset) - lines AS lines
    FROM log_chunks
) before
WHERE (before.execution_id, before.stream, before.start_offset) = (c.execution_id, c.stream, c.start_offset)
    AND before.lines > 0;
ALTER TABLE log_chunks ALTER COLUMN start_line DROP DEFAULT;
CREATE INDEX log_chunks_lines ON log_chunks (execution_id, stream, start_line, start_offset);
