-- name: may_collect$
-- Whether this login reads every line and the bytes that were kept of it: who reads less collects no evidence.
SELECT has_table_privilege('lua.log_block', 'SELECT');

-- name: collected
-- What fits, oldest first, and within one instant as it stood in its file; with where it stood, and its place in the log
-- under a checkpoint of that size.
SELECT a.*, d.slug, s.name AS source, l.file_no, f.name AS file, l.place, l.ingested_at, n.index
FROM (SELECT e.id, e.at, e.actor, e.tenant_id, e.subject, e.action, e.object, e.outcome, e.body, NULL::text AS message,
             NULL::text AS on_behalf, NULL::text AS purpose, NULL::text AS address, NULL::text AS session,
             NULL::text AS application, NULL::text AS severity, NULL::text AS code, NULL::uuid AS source_id
      FROM ledger.entry e WHERE at >= :since::timestamptz AND at < :until::timestamptz AND {ledger}
      UNION ALL
      SELECT l.id, l.at, l.actor, l.tenant_id, l.subject, l.action, l.object, l.outcome, NULL::bytea, l.message,
             l.on_behalf, l.purpose, l.address, l.session, l.application, l.severity, l.code, l.source_id
      FROM lua.log_line l WHERE at >= :since::timestamptz AND at < :until::timestamptz AND {line}) a
LEFT JOIN lua.tenant_directory d ON d.tenant_id = a.tenant_id
LEFT JOIN lua.log_source s ON s.source_id = a.source_id
LEFT JOIN lua.log_line l ON a.body IS NULL AND l.id = a.id AND l.at = a.at
LEFT JOIN lua.log_file f ON f.source_id = l.source_id AND f.file_no = l.file_no
LEFT JOIN ledger.leaf n ON a.body IS NOT NULL AND n.id = a.id AND n.at = a.at AND n.index < :size::bigint
ORDER BY a.at, a.body IS NULL, s.name, l.file_no, l.place, a.id;

-- name: collected_sum
-- How many fit of each source (null: the ledger) and month, and when the first and last of them were.
SELECT s.name AS source, to_char(a.at AT TIME ZONE 'UTC', 'YYYYMM')::bigint AS month, count(*) AS lines, min(a.at) AS first_at,
       max(a.at) AS last_at
FROM (SELECT at, source_id FROM lua.activity WHERE at >= :since::timestamptz AND at < :until::timestamptz AND {condition}) a
LEFT JOIN lua.log_source s ON s.source_id = a.source_id GROUP BY 1, 2 ORDER BY 1, 2;

-- name: collected_people
-- People whom the lines that fit speak of, by their ledger references.
SELECT DISTINCT subject FROM lua.activity
WHERE kind = 'line' AND subject IS NOT NULL AND at >= :since::timestamptz AND at < :until::timestamptz AND {condition}
ORDER BY subject;

-- name: block^
-- The sealed piece of a file that a byte of a month lies in.
SELECT place, until, sealed FROM lua.log_block
WHERE source_id = :source_id::uuid AND file_no = :file_no::bigint AND period_id = :period_id::bigint
  AND place <= :place::bigint AND until > :place::bigint
ORDER BY place DESC LIMIT 1;

-- name: stood
-- Where lines stood, by their ids.
SELECT l.id, l.at, l.subject, l.source_id, s.name AS source, l.file_no, f.name AS file, l.place
FROM unnest(:ids::uuid[], :ats::timestamptz[]) AS w(id, at)
JOIN lua.log_line l ON l.id = w.id AND l.at >= w.at AND l.at < w.at + interval '1 millisecond'
JOIN lua.log_source s ON s.source_id = l.source_id
JOIN lua.log_file f ON f.source_id = l.source_id AND f.file_no = l.file_no
ORDER BY l.at, s.name, l.file_no, l.place;

-- name: server_time$
-- The server's clock, now.
SELECT clock_timestamp();

-- name: compare_clock!
-- How far its clock was ahead of UTC, and when that was seen.
UPDATE lua.log_source SET clock_offset = :ahead::interval, clock_at = :at::timestamptz WHERE source_id = :source_id::uuid;
