-- name: sealed_since^
-- What is known about the readable past of one table: by its own name, else by that of what it is a partition of.
SELECT table_name, born_sealed, since, cleaned_at, backups_until
FROM lua.sealed_since
WHERE table_name = :table::text
   OR table_name IN (SELECT format('%%I.%%I', m.nspname, p.relname)
                     FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
                     CROSS JOIN LATERAL pg_catalog.pg_partition_ancestors(c.oid) AS a(relid)
                     JOIN pg_catalog.pg_class p ON p.oid = a.relid JOIN pg_catalog.pg_namespace m ON m.oid = p.relnamespace
                     WHERE c.relispartition AND format('%%I.%%I', n.nspname, c.relname) = :table::text)
ORDER BY table_name <> :table::text LIMIT 1;

-- name: login^
-- Who asks: whether every row shows to them, whether they may read the server's files, and where they are connected.
SELECT r.rolsuper, has_function_privilege('pg_catalog.pg_read_binary_file(text, bigint, bigint, boolean)', 'EXECUTE')
                   AND (r.rolsuper OR pg_has_role(r.rolname, 'pg_read_server_files', 'USAGE')) AS reads_files,
       pg_is_in_recovery() AS standby, current_setting('server_encoding') AS encoding,
       current_setting('server_version_num')::integer AS version
FROM pg_catalog.pg_roles r WHERE r.rolname = current_user;

-- name: table_oid^
-- The table that a name means, and its kind; without a schema the one that the search path finds.
SELECT c.oid, c.relkind::text
FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE c.relname = :name::text AND c.relkind IN ('r', 'p', 'm')
  AND CASE WHEN :schema::text IS NULL THEN pg_table_is_visible(c.oid) ELSE n.nspname = :schema::text END;

-- name: leaves
-- A table itself, or the partitions that hold its rows.
SELECT c.oid, n.nspname, c.relname
FROM pg_catalog.pg_partition_tree(:oid::oid::regclass) AS t
JOIN pg_catalog.pg_class c ON c.oid = t.relid JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE t.isleaf
UNION
SELECT c.oid, n.nspname, c.relname
FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE c.oid = :oid::oid AND c.relkind IN ('r', 'm')
ORDER BY 2, 3;

-- name: unsealed_tables
-- Every table that nobody says was born sealed, but for the catalog and what luactl itself keeps.
SELECT c.oid, n.nspname, c.relname
FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'm') AND c.relpersistence <> 't'
  AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast', 'lua', 'crm', 'ledger', 'vault')
ORDER BY 2, 3;

-- name: subject_tables
-- Tables of customers' data with a subject's id.
SELECT c.oid, n.nspname, c.relname
FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attname = 'subject_id' AND NOT a.attisdropped
WHERE c.relkind = 'r' AND n.nspname IN ('crm', 'vault')
ORDER BY 2, 3;

-- name: relations
-- The files of some tables: heap, TOAST, and every index of either.
WITH own AS (
    SELECT c.oid, c.relname, c.reltoastrelid, n.nspname FROM pg_catalog.pg_class c
    JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE c.oid = ANY (:oids::oid[])
), every AS (
    SELECT 1 AS nth, o.oid, 'heap' AS kind, o.oid AS of FROM own o
    UNION ALL SELECT 2, o.reltoastrelid, 'toast', o.oid FROM own o WHERE o.reltoastrelid <> 0
    UNION ALL
    SELECT 3, i.indexrelid, a.amname, o.oid
    FROM own o JOIN pg_catalog.pg_index i ON i.indrelid = o.oid
    JOIN pg_catalog.pg_class x ON x.oid = i.indexrelid JOIN pg_catalog.pg_am a ON a.oid = x.relam
    WHERE x.relkind = 'i'
)
SELECT e.oid, e.kind, format('%%I.%%I', n.nspname, c.relname), format('%%I.%%I', m.nspname, t.relname),
       pg_relation_filepath(e.oid), pg_relation_size(e.oid)
FROM every e
JOIN pg_catalog.pg_class c ON c.oid = e.oid JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
JOIN pg_catalog.pg_class t ON t.oid = e.of JOIN pg_catalog.pg_namespace m ON m.oid = t.relnamespace
ORDER BY 4, e.nth, 3;

-- name: read_file
-- Some bytes of a file of the server; empty at its end, null when there is none.
SELECT pg_read_binary_file(:path::text, :offset::bigint, :length::bigint, true);

-- name: checkpoint#
-- Writes to the files what the server still has in memory.
CHECKPOINT;

-- name: list_wal
-- Segments of the log, and whether each is still to be filled (a name of the future), on a primary.
SELECT w.name, w.size, w.name > pg_walfile_name(pg_current_wal_insert_lsn()) AS recycled
FROM pg_catalog.pg_ls_waldir() w WHERE w.name ~ '^[0-9A-F]{24}$' ORDER BY w.name;

-- name: settings
-- What decides where values go besides the tables.
SELECT name, setting FROM pg_catalog.pg_settings
WHERE name IN ('wal_compression', 'logging_collector', 'log_destination', 'log_directory', 'archive_mode', 'archive_command',
               'archive_library', 'wal_recycle', 'min_wal_size', 'data_directory', 'block_size', 'wal_segment_size',
               'shared_preload_libraries', 'wal_level', 'wal_block_size');

-- name: list_logs
-- Files in the server's log folder.
SELECT name, size FROM pg_catalog.pg_ls_logdir() ORDER BY name;

-- name: list_folder
-- Names in a folder of the server; none where it is missing.
SELECT pg_ls_dir(:path::text, true, false) ORDER BY 1;

-- name: sessions
-- The last statement of each other session of this database.
SELECT pid, usename::text, query FROM pg_catalog.pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid() AND query <> '';

-- name: column_statistics
-- What ANALYZE copied out of the columns of some tables.
SELECT s.schemaname || '.' || s.tablename, s.attname::text,
       concat_ws(' ', s.most_common_vals::text, s.histogram_bounds::text, s.most_common_elems::text) AS copied
FROM pg_catalog.pg_stats s JOIN pg_catalog.pg_class c ON c.relname = s.tablename
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace AND n.nspname = s.schemaname
WHERE c.oid = ANY (:oids::oid[]);

-- name: extended_statistics
-- What extended statistics copied out of some tables.
SELECT s.statistics_schemaname || '.' || s.statistics_name, s.most_common_vals::text
FROM pg_catalog.pg_stats_ext s JOIN pg_catalog.pg_class c ON c.relname = s.tablename
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace AND n.nspname = s.schemaname
WHERE c.oid = ANY (:oids::oid[]) AND s.most_common_vals IS NOT NULL;

-- name: activity
-- What the counters say: rows that were deleted or changed since they began, and dead ones not yet vacuumed.
SELECT format('%%I.%%I', s.schemaname, s.relname), s.n_tup_del + s.n_tup_upd AS ended, s.n_dead_tup,
       greatest(s.last_vacuum, s.last_autovacuum) AS vacuumed,
       (SELECT count(*) FROM pg_catalog.pg_attribute a WHERE a.attrelid = c.oid AND a.attisdropped) AS dropped,
       pg_relation_size(c.oid) AS size
FROM pg_catalog.pg_class c JOIN pg_catalog.pg_stat_all_tables s ON s.relid = c.oid
WHERE c.oid = ANY (:oids::oid[]) ORDER BY 1;

-- name: holders
-- Who keeps VACUUM from taking what ended: open snapshots and transactions of this database, prepared ones, replication
-- slots and standbys. `:before` leaves out what began after that transaction; null: all.
SELECT h.holder, h.who, h.since
FROM (
    SELECT 'session ' || a.pid || CASE WHEN a.state LIKE 'idle in%%' THEN ', ' || a.state ELSE '' END AS holder,
           coalesce(a.usename, a.backend_type)::text AS who, coalesce(a.backend_xmin, a.backend_xid) AS xmin, a.xact_start AS since
    FROM pg_catalog.pg_stat_activity a
    WHERE coalesce(a.backend_xmin, a.backend_xid) IS NOT NULL AND a.pid <> pg_backend_pid()
      AND (a.datname = current_database() OR a.datname IS NULL) AND a.backend_type <> 'walsender'
    UNION ALL
    SELECT 'prepared transaction ' || p.gid, p.owner::text, p.transaction, p.prepared
    FROM pg_catalog.pg_prepared_xacts p WHERE p.database = current_database()
    UNION ALL
    SELECT 'replication slot ' || s.slot_name, coalesce(s.database, '')::text, x.xmin, NULL
    FROM pg_catalog.pg_replication_slots s CROSS JOIN LATERAL (VALUES (s.xmin), (s.catalog_xmin)) AS x(xmin)
    WHERE x.xmin IS NOT NULL
    UNION ALL
    SELECT 'standby ' || coalesce(nullif(r.application_name, ''), host(r.client_addr), r.pid::text), r.usename::text, r.backend_xmin,
           r.backend_start
    FROM pg_catalog.pg_stat_replication r WHERE r.backend_xmin IS NOT NULL
) AS h
WHERE :before::text IS NULL OR age(h.xmin) >= age(:before::text::xid)
ORDER BY 1;

-- name: current_transaction$
-- A transaction of our own, as a mark in time.
SELECT pg_current_xact_id()::xid::text;

-- name: receivers
-- Who gets a copy of the log: standbys and subscribers, and slots that keep it for them.
SELECT coalesce(nullif(r.application_name, ''), 'process ' || r.pid) || coalesce(' at ' || host(r.client_addr), '') AS name,
       CASE WHEN s.slot_type = 'logical' THEN 'subscriber' ELSE 'standby' END AS kind
FROM pg_catalog.pg_stat_replication r LEFT JOIN pg_catalog.pg_replication_slots s ON s.active_pid = r.pid
UNION ALL
SELECT s.slot_name::text, 'slot' FROM pg_catalog.pg_replication_slots s WHERE NOT s.active
ORDER BY 2, 1;

-- name: with_ancestors
-- Tables together with what they are partitions of: its statistics hold values of theirs.
SELECT DISTINCT c.oid, n.nspname, c.relname
FROM unnest(:oids::oid[]) AS t(oid)
CROSS JOIN LATERAL (SELECT t.oid::regclass AS relid UNION SELECT a.relid FROM pg_catalog.pg_partition_ancestors(t.oid) AS a(relid)) AS x
JOIN pg_catalog.pg_class c ON c.oid = x.relid JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
ORDER BY 2, 3;

-- name: statements_schema$
-- Where pg_stat_statements was created in this database; null: nowhere.
SELECT n.nspname FROM pg_catalog.pg_extension e JOIN pg_catalog.pg_namespace n ON n.oid = e.extnamespace
WHERE e.extname = 'pg_stat_statements';

-- name: has_ledger$
-- Whether this database is one of luactl's, which remembers who cleaned up.
SELECT to_regclass('ledger.entry') IS NOT NULL AND to_regclass('lua.sealed_since') IS NOT NULL;

-- name: end_segment
-- A few bytes for the segment of the log that is being filled, and its end: the rest of it becomes zeros.
SELECT pg_logical_emit_message(false, 'luactl', 'end of segment'), pg_switch_wal();

-- name: insert_position$
-- The segment that is being filled now.
SELECT pg_walfile_name(pg_current_wal_insert_lsn());

-- name: wait
-- A moment's pause.
SELECT pg_sleep(0.1);

-- name: note_clean!
-- That the readable past of some tables is cleaned up, and since when they are sealed if somebody says so.
INSERT INTO lua.sealed_since AS s (table_name, born_sealed, since, cleaned_at, backups_until)
SELECT t, false, :since::timestamptz, :at::timestamptz, :until::timestamptz FROM unnest(:tables::text[]) AS w(t)
ON CONFLICT (table_name) DO UPDATE SET since = coalesce(excluded.since, s.since), cleaned_at = excluded.cleaned_at,
    backups_until = excluded.backups_until, noted_by = session_user;
