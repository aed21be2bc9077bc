-- name: page
-- What fits in either store, newest first, from before a place in that order; {ledger} and {line} are written by
-- luactl.log.query. Each store gives no more than a page: its own index has them in order.
SELECT a.*, d.slug, s.name AS source
FROM (SELECT * FROM (
        (SELECT e.id, e.at, e.actor, e.tenant_id, e.subject, e.action, e.object, e.outcome, e.body, NULL::text AS message,
                NULL::text AS on_behalf, NULL::text AS purpose, NULL::text AS address, NULL::text AS session,
                NULL::text AS application, NULL::text AS severity, NULL::text AS code, NULL::uuid AS source_id
         FROM ledger.entry e
         WHERE at >= :since::timestamptz AND at < :until::timestamptz AND (at, id) < (:before_at::timestamptz, :before_id::uuid) AND {ledger}
         ORDER BY at DESC, id DESC LIMIT :limit::bigint)
        UNION ALL
        (SELECT l.id, l.at, l.actor, l.tenant_id, l.subject, l.action, l.object, l.outcome, NULL::bytea, l.message,
                l.on_behalf, l.purpose, l.address, l.session, l.application, l.severity, l.code, l.source_id
         FROM lua.log_line l
         WHERE at >= :since::timestamptz AND at < :until::timestamptz AND (at, id) < (:before_at::timestamptz, :before_id::uuid) AND {line}
         ORDER BY at DESC, id DESC LIMIT :limit::bigint)) AS both_stores
      ORDER BY at DESC, id DESC LIMIT :limit::bigint) a
LEFT JOIN lua.tenant_directory d ON d.tenant_id = a.tenant_id
LEFT JOIN lua.log_source s ON s.source_id = a.source_id
ORDER BY a.at DESC, a.id DESC;

-- name: page_of_ledger
-- The same of the ledger alone.
SELECT a.*, d.slug
FROM (SELECT e.id, e.at, e.actor, e.tenant_id, e.subject, e.action, e.object, e.outcome, e.body FROM ledger.entry e
      WHERE at >= :since::timestamptz AND at < :until::timestamptz AND (at, id) < (:before_at::timestamptz, :before_id::uuid) AND {ledger}
      ORDER BY at DESC, id DESC LIMIT :limit::bigint) a
LEFT JOIN lua.tenant_directory d ON d.tenant_id = a.tenant_id
ORDER BY a.at DESC, a.id DESC;

-- name: page_of_lines
-- The same of servers' and services' lines alone.
SELECT a.*, d.slug, s.name AS source
FROM (SELECT l.id, l.at, l.actor, l.tenant_id, l.subject, l.action, l.object, l.outcome, NULL::bytea, l.message,
             l.on_behalf, l.purpose, l.address, l.session, l.application, l.severity, l.code, l.source_id
      FROM lua.log_line l
      WHERE at >= :since::timestamptz AND at < :until::timestamptz AND (at, id) < (:before_at::timestamptz, :before_id::uuid) AND {line}
      ORDER BY at DESC, id DESC LIMIT :limit::bigint) a
LEFT JOIN lua.tenant_directory d ON d.tenant_id = a.tenant_id
LEFT JOIN lua.log_source s ON s.source_id = a.source_id
ORDER BY a.at DESC, a.id DESC;

-- name: later
-- The same in the other direction: what fits, oldest first, from after a place.
SELECT a.*, d.slug, s.name AS source
FROM (SELECT * FROM (
        (SELECT e.id, e.at, e.actor, e.tenant_id, e.subject, e.action, e.object, e.outcome, e.body, NULL::text AS message,
                NULL::text AS on_behalf, NULL::text AS purpose, NULL::text AS address, NULL::text AS session,
                NULL::text AS application, NULL::text AS severity, NULL::text AS code, NULL::uuid AS source_id
         FROM ledger.entry e
         WHERE at >= :since::timestamptz AND at < :until::timestamptz AND (at, id) > (:after_at::timestamptz, :after_id::uuid)
           AND {ledger}
         ORDER BY at, id LIMIT :limit::bigint)
        UNION ALL
        (SELECT l.id, l.at, l.actor, l.tenant_id, l.subject, l.action, l.object, l.outcome, NULL::bytea, l.message,
                l.on_behalf, l.purpose, l.address, l.session, l.application, l.severity, l.code, l.source_id
         FROM lua.log_line l
         WHERE at >= :since::timestamptz AND at < :until::timestamptz AND (at, id) > (:after_at::timestamptz, :after_id::uuid)
           AND {line}
         ORDER BY at, id LIMIT :limit::bigint)) AS both_stores
      ORDER BY at, id LIMIT :limit::bigint) a
LEFT JOIN lua.tenant_directory d ON d.tenant_id = a.tenant_id
LEFT JOIN lua.log_source s ON s.source_id = a.source_id
ORDER BY a.at, a.id;

-- name: find_before
-- The newest line that has a text, among the next so many before a place; and the last of them, if there may be more.
WITH looked AS MATERIALIZED (
    SELECT a.at, a.id,
           concat_ws(chr(10), a.actor, a.action, coalesce(d.slug, nullif(a.tenant_id, 0)::text), nullif(a.outcome, 'done'), a.object,
                     a.purpose, left(a.message, :longest::integer)) COLLATE "C" ~ :pattern::text AS fits
    FROM (SELECT * FROM lua.activity
          WHERE at >= :since::timestamptz AND at < :until::timestamptz
            AND (at, id) < (:near_at::timestamptz, :near_id::uuid) AND {condition}
          ORDER BY at DESC, id DESC LIMIT :limit::bigint) a
    LEFT JOIN lua.tenant_directory d ON d.tenant_id = a.tenant_id
)
(SELECT 'found' AS what, at, id FROM looked WHERE fits ORDER BY at DESC, id DESC LIMIT 1)
UNION ALL
(SELECT 'last', at, id FROM looked WHERE (SELECT count(*) FROM looked) = :limit::bigint ORDER BY at, id LIMIT 1);

-- name: find_after
-- The same in the other direction: the oldest, among the next so many after a place.
WITH looked AS MATERIALIZED (
    SELECT a.at, a.id,
           concat_ws(chr(10), a.actor, a.action, coalesce(d.slug, nullif(a.tenant_id, 0)::text), nullif(a.outcome, 'done'), a.object,
                     a.purpose, left(a.message, :longest::integer)) COLLATE "C" ~ :pattern::text AS fits
    FROM (SELECT * FROM lua.activity
          WHERE at >= :since::timestamptz AND at < :until::timestamptz
            AND (at, id) > (:near_at::timestamptz, :near_id::uuid) AND {condition}
          ORDER BY at, id LIMIT :limit::bigint) a
    LEFT JOIN lua.tenant_directory d ON d.tenant_id = a.tenant_id
)
(SELECT 'found' AS what, at, id FROM looked WHERE fits ORDER BY at, id LIMIT 1)
UNION ALL
(SELECT 'last', at, id FROM looked WHERE (SELECT count(*) FROM looked) = :limit::bigint ORDER BY at DESC, id DESC LIMIT 1);

-- name: how_many
-- How many there are.
SELECT count(*) FROM lua.activity WHERE at >= :since::timestamptz AND at < :until::timestamptz AND {condition};

-- name: histogram
-- How many in each stretch of time in which there are any, counted from the epoch.
SELECT date_bin(:width::interval, at, TIMESTAMPTZ '1970-01-01 00:00:00+00') AS begins, count(*)
FROM lua.activity WHERE at >= :since::timestamptz AND at < :until::timestamptz AND {condition}
GROUP BY 1 ORDER BY 1;

-- name: place$
-- When a line or entry is, by its id.
SELECT at FROM lua.activity
WHERE id = :id::uuid AND at >= :at::timestamptz AND at < :at::timestamptz + interval '1 millisecond';

-- name: tenants_like
-- Numbers of the tenants whose slug fits a pattern.
SELECT tenant_id FROM lua.tenant_directory WHERE slug LIKE :pattern::text ORDER BY tenant_id;

-- name: sources_like
-- Ids of the sources whose name fits a pattern.
SELECT source_id FROM lua.log_source WHERE name LIKE :pattern::text ORDER BY name;

-- name: gaps
-- Spans of silence without a reason that touch a span of time.
SELECT s.name, g.since, g.until, g.reason FROM lua.log_gap g JOIN lua.log_source s USING (source_id)
WHERE g.until >= :since::timestamptz AND g.since < :until::timestamptz ORDER BY g.since, s.name;

-- name: saved_queries
-- All saved queries.
SELECT name, query, about, saved_by, saved_at FROM lua.log_query ORDER BY name;

-- name: saved_query^
-- One saved query.
SELECT name, query, about, saved_by, saved_at FROM lua.log_query WHERE name = :name::text;

-- name: save_query!
-- A new one; the name must be free.
INSERT INTO lua.log_query (name, query, about, saved_by, saved_at)
VALUES (:name::text, :query::text, :about::text, session_user, :at::timestamptz);

-- name: forget_query!
-- One's own goes.
DELETE FROM lua.log_query WHERE name = :name::text;

-- name: moment^
-- Which transactions have ended: all below `ahead` but those of `running`. The snapshot of a standby leaves out which ones
-- run; there only what lies below the oldest of them counts.
SELECT CASE WHEN r.is_standby THEN pg_snapshot_xmin(c) ELSE pg_snapshot_xmax(c) END::text::bigint AS ahead,
       CASE WHEN r.is_standby THEN '{}' ELSE ARRAY(SELECT x::text::bigint FROM pg_snapshot_xip(c) AS x) END AS running, r.is_standby
FROM pg_current_snapshot() AS c, pg_is_in_recovery() AS r(is_standby);

-- name: told_as^
-- Which backend serves, and whether it is a standby's: whom notifications reach.
SELECT pg_backend_pid(), pg_is_in_recovery();

-- name: watch$
-- Asks to be told of the next entry; whether nobody had asked since the last one.
SELECT lua.watch_log();

-- name: latest
-- The newest that fit of what had come at a moment.
SELECT a.id, a.at, a.actor, a.tenant_id, a.subject, a.action, a.object, a.outcome, a.body, a.message, a.on_behalf, a.purpose,
       a.address, a.session, a.application, a.severity, a.code, a.source_id, d.slug, s.name AS source
FROM (SELECT * FROM lua.activity
      WHERE at >= :since::timestamptz AND at < :until::timestamptz AND {condition}
        AND (arrived IS NULL OR arrived < :ahead::bigint AND arrived <> ALL (:running::bigint[]))
      ORDER BY at DESC, id DESC LIMIT :limit::bigint) a
LEFT JOIN lua.tenant_directory d ON d.tenant_id = a.tenant_id
LEFT JOIN lua.log_source s ON s.source_id = a.source_id
ORDER BY a.at DESC, a.id DESC;

-- name: stretch^
-- Where a stretch of so many that came in ends; no row when fewer came.
SELECT arrived, id FROM lua.activity
WHERE (arrived, id) > (:last::bigint, :last_id::uuid) AND arrived < :ahead::bigint
ORDER BY arrived, id OFFSET :length::bigint - 1 LIMIT 1;

-- name: arrivals
-- What fits of a stretch, and came in by a transaction that had not ended at one moment (`read`, but for those of `ended`)
-- and had at a later one (`ahead`, `running`). All columns of those alone are worked out.
SELECT a.id, a.at, a.actor, a.tenant_id, a.subject, a.action, a.object, a.outcome, a.body, a.message, a.on_behalf, a.purpose,
       a.address, a.session, a.application, a.severity, a.code, a.source_id, d.slug, s.name AS source, a.arrived, a.came_at
FROM (SELECT id, at FROM lua.activity
      WHERE (arrived, id) > (:last::bigint, :last_id::uuid) AND (arrived, id) <= (:end::bigint, :end_id::uuid)
        AND arrived < :ahead::bigint AND arrived <> ALL (:running::bigint[])
        AND (arrived >= :read::bigint OR arrived = ANY (:ended::bigint[])) AND {condition}
      ORDER BY arrived, id LIMIT :limit::bigint) AS k
JOIN lua.activity a ON a.id = k.id AND a.at = k.at
LEFT JOIN lua.tenant_directory d ON d.tenant_id = a.tenant_id
LEFT JOIN lua.log_source s ON s.source_id = a.source_id;

-- name: tenant_ids
-- The tenants that slugs or numbers mean.
SELECT w.name, d.tenant_id FROM unnest(:names::text[]) AS w(name)
JOIN lua.tenant_directory d ON d.slug = w.name OR d.tenant_id::text = w.name;

-- name: tenant_id$
-- The tenant that a name means.
SELECT tenant_id FROM lua.tenant_directory WHERE slug = :slug::text;

-- name: sources
-- All sources by name, ended ones too.
SELECT source_id, name, format, path, host, time_zone, line_prefix, clock_offset, clock_at, created_at, created_by, ended_at,
       (SELECT count(*) FROM lua.log_file f WHERE f.source_id = s.source_id) AS files,
       (SELECT coalesce(sum(f.lines), 0)::bigint FROM lua.log_file f WHERE f.source_id = s.source_id) AS lines,
       (SELECT coalesce(sum(f.unreadable), 0)::bigint FROM lua.log_file f WHERE f.source_id = s.source_id) AS unreadable,
       (SELECT max(f.last_at) FROM lua.log_file f WHERE f.source_id = s.source_id) AS last_at
FROM lua.log_source s ORDER BY name;

-- name: insert_source!
-- A new source.
INSERT INTO lua.log_source (source_id, name, format, path, host, time_zone, line_prefix, created_at, created_by)
VALUES (:source_id::uuid, :name::text, :format::text, :path::text, :host::text, :time_zone::text, :line_prefix::text,
        :at::timestamptz, session_user);

-- name: end_source!
-- Nothing more comes from it.
UPDATE lua.log_source SET ended_at = :at::timestamptz WHERE source_id = :source_id::uuid AND ended_at IS NULL;

-- name: files
-- Files of a source that were seen, oldest first.
SELECT file_no, identity, name, read_to, lines, unreadable, first_at, last_at, ended_at
FROM lua.log_file WHERE source_id = :source_id::uuid ORDER BY file_no;

-- name: insert_file!
-- A file that is new; nothing when somebody else saw it first.
INSERT INTO lua.log_file (source_id, file_no, identity, name, updated_at)
SELECT :source_id::uuid, coalesce(max(file_no), 0) + 1, :identity::text, :name::text, :at::timestamptz
FROM lua.log_file WHERE source_id = :source_id::uuid
ON CONFLICT DO NOTHING;

-- name: move_on!
-- Read from one byte to another; no row when somebody else did so.
UPDATE lua.log_file
SET read_to = :until::bigint, lines = lines + :lines::bigint, unreadable = unreadable + :unreadable::bigint,
    first_at = least(first_at, :first_at::timestamptz), last_at = greatest(last_at, :last_at::timestamptz),
    name = :name::text, updated_at = :at::timestamptz
WHERE source_id = :source_id::uuid AND file_no = :file_no::bigint AND read_to = :read_to::bigint;

-- name: end_file!
-- Nothing more comes in it.
UPDATE lua.log_file SET ended_at = :at::timestamptz
WHERE source_id = :source_id::uuid AND file_no = :file_no::bigint AND ended_at IS NULL;

-- name: missing_months
-- Months (yyyymm) that have no partition yet.
SELECT w.month FROM unnest(:months::integer[]) AS w(month) WHERE to_regclass(format('lua.log_line_%%s', w.month)) IS NULL;

-- name: make_months$
-- Makes them.
SELECT lua.make_log_months(:months::integer[]);

-- name: insert_lines!
-- Lines of one file; one that is there already stays.
INSERT INTO lua.log_line (id, at, source_id, file_no, place, actor, on_behalf, tenant_id, subject, action, object, purpose,
                          outcome, address, session, application, severity, code, message, ingested_at)
SELECT w.id, w.at, :source_id::uuid, :file_no::bigint, w.place, w.actor, w.on_behalf, w.tenant_id, w.subject, w.action, w.object,
       w.purpose, w.outcome, w.address, w.session, w.application, w.severity, w.code, w.message, :ingested_at::timestamptz
FROM unnest(:ids::uuid[], :ats::timestamptz[], :places::bigint[], :actors::text[], :behalves::text[], :tenants::bigint[],
            :subjects::uuid[], :actions::text[], :objects::text[], :purposes::text[], :outcomes::text[], :addresses::text[],
            :sessions::text[], :applications::text[], :severities::text[], :codes::text[], :messages::text[])
    AS w(id, at, place, actor, on_behalf, tenant_id, subject, action, object, purpose, outcome, address, session, application,
         severity, code, message)
ON CONFLICT DO NOTHING;

-- name: insert_blocks!
-- What was read, sealed.
INSERT INTO lua.log_block (source_id, file_no, place, until, period_id, sealed)
SELECT :source_id::uuid, :file_no::bigint, w.place, w.until, w.period_id, w.sealed
FROM unnest(:places::bigint[], :untils::bigint[], :period_ids::bigint[], :sealed::bytea[]) AS w(place, until, period_id, sealed)
ON CONFLICT DO NOTHING;

-- name: insert_gap!
-- A span that is not covered; the same one twice is one.
INSERT INTO lua.log_gap (source_id, since, until, reason, found_at)
VALUES (:source_id::uuid, :since::timestamptz, :until::timestamptz, :reason::text, :at::timestamptz)
ON CONFLICT DO NOTHING;

-- name: house_key$
-- Whether the house itself has keys.
SELECT key_no FROM lua.tenant_directory WHERE tenant_id = :tenant_id::bigint;

-- name: insert_house!
-- The house's own place in the key tree, once.
INSERT INTO lua.tenant_directory (tenant_id, slug, key_no) VALUES (:tenant_id::bigint, :slug::text, :key_no::bigint)
ON CONFLICT DO NOTHING;

-- name: actor_sum^
-- What a login did within a time: entries, reads, people, people new to it since `before`, first and last.
WITH here AS (
    SELECT e.at, e.action, e.subject, e.touched FROM ledger.entry e
    WHERE e.actor = :actor::text AND e.at >= :since::timestamptz AND e.at < :until::timestamptz
), people AS (
    SELECT DISTINCT p.person FROM here CROSS JOIN LATERAL unnest(here.touched || here.subject) AS p(person) WHERE p.person IS NOT NULL
), known AS (
    SELECT DISTINCT p.person FROM ledger.entry e CROSS JOIN LATERAL unnest(e.touched || e.subject) AS p(person)
    WHERE e.actor = :actor::text AND e.at >= :before::timestamptz AND e.at < :since::timestamptz
)
SELECT (SELECT count(*) FROM here) AS entries, (SELECT count(*) FROM here WHERE action = 'read') AS reads,
       (SELECT count(*) FROM people) AS people,
       (SELECT count(*) FROM people WHERE person NOT IN (SELECT person FROM known WHERE person IS NOT NULL)) AS new_people,
       (SELECT min(at) FROM here) AS first_at, (SELECT max(at) FROM here) AS last_at;

-- name: actor_tenants
-- At which tenants a login did so, most people first; `is_new`: it did nothing there since `before`.
SELECT coalesce(d.slug, e.tenant_id::text) AS tenant, count(DISTINCT e.id) AS entries, count(DISTINCT p.person) AS people,
       min(e.at) AS first_at, max(e.at) AS last_at,
       NOT EXISTS (SELECT FROM ledger.entry o WHERE o.tenant_id = e.tenant_id AND o.actor = :actor::text
                   AND o.at >= :before::timestamptz AND o.at < :since::timestamptz) AS is_new
FROM ledger.entry e LEFT JOIN LATERAL unnest(e.touched || e.subject) AS p(person) ON true
LEFT JOIN lua.tenant_directory d ON d.tenant_id = e.tenant_id
WHERE e.actor = :actor::text AND e.at >= :since::timestamptz AND e.at < :until::timestamptz AND e.tenant_id > 0
GROUP BY e.tenant_id, d.slug ORDER BY people DESC, entries DESC, 1;

-- name: actor_addresses
-- From where a login came, and whether it never had since `before`.
WITH said AS (
    SELECT convert_from(e.body, 'UTF8')::jsonb ->> 'address' AS address, e.at FROM ledger.entry e
    WHERE e.actor = :actor::text AND e.at >= :before::timestamptz AND e.at < :until::timestamptz
)
SELECT s.address, count(*) AS entries, min(s.at) AS first_at, max(s.at) AS last_at,
       s.address NOT IN (SELECT o.address FROM said o WHERE o.at < :since::timestamptz AND o.address IS NOT NULL) AS is_new
FROM said s WHERE s.at >= :since::timestamptz AND s.address IS NOT NULL GROUP BY s.address ORDER BY entries DESC, 1;

-- name: usual_day^
-- Median of people a day, over days with any, since `before`: of this login, and of all others; null without such days.
WITH days AS (
    SELECT e.actor, date_trunc('day', e.at, 'UTC') AS day, count(DISTINCT p.person) AS people
    FROM ledger.entry e CROSS JOIN LATERAL unnest(e.touched || e.subject) AS p(person)
    WHERE e.at >= :before::timestamptz AND e.at < :since::timestamptz AND p.person IS NOT NULL
    GROUP BY e.actor, 2
)
SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY people) FILTER (WHERE actor = :actor::text) AS own,
       percentile_cont(0.5) WITHIN GROUP (ORDER BY people) FILTER (WHERE actor <> :actor::text) AS peers
FROM days;

-- name: busiest_day^
-- The day within a time on which a login touched most people.
SELECT date_trunc('day', e.at, 'UTC') AS day, count(DISTINCT p.person) AS people
FROM ledger.entry e CROSS JOIN LATERAL unnest(e.touched || e.subject) AS p(person)
WHERE e.actor = :actor::text AND e.at >= :since::timestamptz AND e.at < :until::timestamptz AND p.person IS NOT NULL
GROUP BY 1 ORDER BY people DESC, 1 LIMIT 1;
