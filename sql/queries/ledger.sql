-- name: identify$
-- What names this connection in the server's own log (log_line_prefix %c).
SELECT to_hex(trunc(extract(epoch FROM a.backend_start))::integer) || '.' || to_hex(a.pid)
FROM pg_catalog.pg_stat_activity a WHERE a.pid = pg_backend_pid();

-- name: append$
-- Entries and their places in the queue for an index, in one statement of the caller's transaction.
SELECT ledger.append(:ids::uuid[], :tenant_ids::bigint[], :subjects::uuid[], :actions::text[], :objects::text[],
                     :outcomes::text[], :purposes::text[], :details::text[], :on_behalf::text, :session::text);

-- name: subject_seals
-- The sealed ledger references of living subjects; null where none was needed yet.
SELECT subject_id, personal FROM crm.subject
WHERE tenant_id = :tenant_id::bigint AND subject_id = ANY (:subject_ids::uuid[]) AND status = 'active';

-- name: lock_unreferenced
-- Living subjects without a reference, locked in one order so that two writers never wait for each other.
SELECT subject_id FROM crm.subject
WHERE tenant_id = :tenant_id::bigint AND subject_id = ANY (:subject_ids::uuid[]) AND status = 'active'
  AND personal IS NULL
ORDER BY subject_id FOR NO KEY UPDATE;

-- name: give_references!
-- New sealed references, for those who have none.
UPDATE crm.subject s SET personal = w.personal, updated_at = :at::timestamptz
FROM unnest(:subject_ids::uuid[], :seals::bytea[]) AS w(subject_id, personal)
WHERE s.tenant_id = :tenant_id::bigint AND s.subject_id = w.subject_id AND s.status = 'active'
  AND s.personal IS NULL;

-- name: origins
-- Every name and verifier key that ever signed, the current one first.
SELECT origin, vkey FROM ledger.origin ORDER BY ended_at DESC NULLS FIRST, created_at DESC;

-- name: current_origin^
-- The name and verifier key that sign now.
SELECT origin, vkey FROM ledger.origin WHERE ended_at IS NULL;

-- name: insert_origin!
-- A new current origin.
INSERT INTO ledger.origin (origin, vkey, created_at) VALUES (:origin::text, :vkey::text, :at::timestamptz);

-- name: fork_origin
-- Ends the current name of the log and begins another; names that only an anchor still knows are remembered as ended.
SELECT ledger.fork_origin(:old::text, :others::text[], :other_keys::text[], :new::text, :vkey::text, :at::timestamptz);

-- name: forks
-- The bodies of the entries that tell where the log lost its end in a restore and went on under another name.
SELECT body FROM ledger.entry WHERE action = 'ledger.origin.fork' ORDER BY at, id;

-- name: cosigned
-- The bodies of the entries that hold checkpoints which somebody cosigned.
SELECT body FROM ledger.entry WHERE action = 'ledger.cosign' ORDER BY at, id;

-- name: missing_months
-- The month (yyyymm) of an instant and the two after it, unless they have a partition.
SELECT w.month
FROM (SELECT to_char(:at::timestamptz AT TIME ZONE 'UTC' + make_interval(months => n.ahead), 'YYYYMM')::integer
      FROM generate_series(0, 2) AS n(ahead)) AS w(month)
WHERE w.month BETWEEN 200001 AND 209912 AND to_regclass(format('ledger.entry_%%s', w.month)) IS NULL;

-- name: make_months$
-- Makes them.
SELECT ledger.make_months(:months::integer[]);

-- name: minimum^
-- The largest minimum index, with the signed note about it.
SELECT index, note FROM ledger.minimum ORDER BY index DESC LIMIT 1;

-- name: first_since$
-- The first place in the log of an entry of that time or later.
SELECT min(index) FROM ledger.leaf WHERE at >= :before::timestamptz;

-- name: prunable$
-- How many entries stand below an index.
SELECT count(*) FROM ledger.leaf l JOIN ledger.entry e ON e.at = l.at AND e.id = l.id WHERE l.index < :minimum::bigint;

-- name: prune$
-- Removes what lies below a signed minimum index.
SELECT ledger.prune(:minimum::bigint, :note::text, :at::timestamptz);

-- name: pruned
-- The bodies of the entries that tell what was pruned.
SELECT body FROM ledger.entry WHERE action = 'ledger.prune' ORDER BY at, id;

-- name: bodies
-- Entries first … end - 1 as they were signed.
SELECT e.body FROM ledger.leaf l JOIN ledger.entry e ON e.at = l.at AND e.id = l.id
WHERE l.index >= :first::bigint AND l.index < :end::bigint ORDER BY l.index;

-- name: checkpoint_sizes
-- Size and root of every checkpoint, smallest first.
SELECT size, root FROM ledger.checkpoint ORDER BY size;

-- name: newest_checkpoint^
-- The last thing that was signed, with its signed note.
SELECT size, root, note, signed_at FROM ledger.checkpoint ORDER BY size DESC LIMIT 1;

-- name: checkpoint_note$
-- The signed note for one size.
SELECT note FROM ledger.checkpoint WHERE size = :size::bigint;

-- name: leaf_hashes
-- Leaf hashes first … end - 1.
SELECT hash FROM ledger.leaf WHERE index >= :first::bigint AND index < :end::bigint ORDER BY index;

-- name: subtree_hashes
-- Roots first … end - 1 of the full subtrees of one level.
SELECT hash FROM ledger.subtree
WHERE level = :level::smallint AND index >= :first::bigint AND index < :end::bigint ORDER BY index;

-- name: size$
-- How many leaves the log has.
SELECT coalesce(max(index) + 1, 0) FROM ledger.leaf;

-- name: sees_all$
-- Whether row security shows the login every entry and line.
SELECT bool_or(pg_has_role(session_user, r.name, 'MEMBER'))
FROM unnest(ARRAY['lua_admin', 'lua_responder', 'lua_auditor', 'lua_dpo']) AS r(name);

-- name: waiting^
-- How many entries no checkpoint covers yet, and since when the oldest waits.
SELECT count(*) AS pending, min(at) AS oldest FROM ledger.pending;

-- name: number$
-- Gives the next waiting entries their indexes; returns their leaf hashes in one string, null when nothing waits. A null size:
-- those behind what this transaction numbered.
SELECT ledger.number(:size::bigint, :limit::integer);

-- name: seal$
-- Keeps subtrees and the checkpoint; the database refuses a note about something else.
SELECT ledger.seal(:size::bigint, :levels::smallint[], :indexes::bigint[], :subtrees::bytea[], :root::bytea, :note::text,
                   :signed_at::timestamptz);

-- name: sees_everything$
-- Whether row security shows this login every entry.
SELECT NOT row_security_active('ledger.entry')
    OR pg_has_role('lua_admin', 'USAGE') OR pg_has_role('lua_responder', 'USAGE')
    OR pg_has_role('lua_auditor', 'USAGE') OR pg_has_role('lua_dpo', 'USAGE');

-- name: entry^
-- One entry with its place in the log; index is null while no checkpoint covers it.
SELECT e.id, e.at, e.body, l.index, l.hash
FROM ledger.entry e
LEFT JOIN ledger.leaf l ON l.id = e.id AND l.at = e.at AND l.index < (SELECT max(size) FROM ledger.checkpoint)
WHERE e.id = :id::uuid AND e.at = :at::timestamptz;

-- name: verify_tiles
-- Leaves with their entries, 256 in a row, in the order of the log. Numbers are big endian, ids and times as Postgres sends
-- them, bodies have a zero between two. Heads, middles, outcomes and tails are the parts of bodies that their columns tell, as
-- in the table's CHECK, with a control character between two: JSON has none. A read's people stand at the end of its detail.
COPY (
    SELECT tile.indexes, tile.ids, tile.ats, tile.hashes, tile.lengths, tile.bodies, convert_to(tile.heads, 'UTF8'),
           convert_to(tile.middles, 'UTF8'), convert_to(tile.outcomes, 'UTF8'), convert_to(tile.tails, 'UTF8'), tile.touching
    FROM generate_series(:first::bigint, :end::bigint - 1, 256) AS t(first) CROSS JOIN LATERAL (
        SELECT string_agg(int8send(r.index), ''::bytea) AS indexes,
               string_agg(uuid_send(r.id), ''::bytea) AS ids,
               string_agg(timestamptz_send(r.at), ''::bytea) AS ats,
               string_agg(r.hash, ''::bytea) AS hashes,
               string_agg(int4send(length(r.body)), ''::bytea) AS lengths,
               string_agg(r.body, '\x00'::bytea) AS bodies,
               string_agg('{"action":"' || r.action || '","actor":' || to_json(r.actor)::text || ',"address":', chr(1)) AS heads,
               string_agg(CASE WHEN r.action <> 'read' THEN '' WHEN r.touched = '{}' THEN '"references":[]}'
                               ELSE '"references":["' || array_to_string(r.touched, '","') || '"]}' END
                          || ',"id":"' || r.id::text || '","object":' || coalesce(to_json(r.object)::text, 'null') || ',"on_behalf":', chr(1)) AS middles,
               string_agg(',"outcome":"' || r.outcome || '","purpose":', chr(1)) AS outcomes,
               string_agg(',"subject":' || coalesce('"' || r.subject::text || '"', 'null') || ',"tenant":' || r.tenant_id::text || ',"v":1}', chr(1)) AS tails,
               bool_and((r.action = 'read') = (r.touched IS NOT NULL)) AS touching
        FROM (
            SELECT l.index, l.id, l.at, l.hash, e.body, e.actor, e.tenant_id, e.subject, e.touched, e.action, e.object, e.outcome
            FROM ledger.leaf l LEFT JOIN ledger.entry e ON e.at = l.at AND e.id = l.id
            WHERE l.index >= t.first AND l.index < least(t.first + 256, :end::bigint) ORDER BY l.index) AS r) AS tile
) TO STDOUT (FORMAT BINARY);

-- name: verify_leaves
-- Leaves with their entries and all that searches go by.
SELECT l.index, l.id, l.at, l.hash, e.body, e.actor, e.tenant_id, e.subject, e.touched, e.action, e.object, e.outcome
FROM ledger.leaf l LEFT JOIN ledger.entry e ON e.id = l.id AND e.at = l.at
WHERE l.index >= :first::bigint AND l.index < :end::bigint ORDER BY l.index;

-- name: verify_subtrees
-- The stored subtrees that a log completes while it grows from one size to another.
SELECT level, index, hash FROM ledger.subtree
WHERE (index + 1) << (8 * level) > :first::bigint AND (index + 1) << (8 * level) <= :size::bigint;

-- name: subtrees_over
-- Stored subtrees that cover more leaves than there are.
SELECT level, index FROM ledger.subtree WHERE (index + 1) << (8 * level) > :size::bigint ORDER BY level, index;

-- name: verify_checkpoints
-- Signed checkpoints from a size on, smallest first.
SELECT size, root, note FROM ledger.checkpoint WHERE size >= :first::bigint ORDER BY size LIMIT :limit::bigint;

-- name: entries$
-- How many entries there are.
SELECT count(*) FROM ledger.entry;

-- name: verify_strays
-- Entries that neither have an index nor wait for one, and those that have one and wait nevertheless.
SELECT e.id, e.at, (l.id IS NOT NULL) AS numbered
FROM ledger.entry e
LEFT JOIN ledger.leaf l ON l.id = e.id AND l.at = e.at
LEFT JOIN ledger.pending p ON p.id = e.id AND p.at = e.at
WHERE (l.id IS NULL) = (p.id IS NULL)
ORDER BY e.at, e.id;

-- name: verify_pending
-- Every waiting entry with its columns.
SELECT p.id, p.at, p.hash, e.body, e.actor, e.tenant_id, e.subject, e.touched, e.action, e.object, e.outcome
FROM ledger.pending p LEFT JOIN ledger.entry e ON e.id = p.id AND e.at = p.at ORDER BY p.id;
