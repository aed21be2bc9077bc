-- name: page
-- What fits, newest first, from before a place in that order; {condition} is written by luactl.log.query.
SELECT a.kind, a.id, a.at, a.actor, a.on_behalf, a.tenant_id, d.slug, a.subject, a.action, a.object, a.purpose, a.outcome,
       a.address, a.session, a.application, a.severity, a.code, s.name AS source, a.message, a.body
FROM (SELECT * FROM lua.activity
      WHERE at >= :since::timestamptz AND at < :until::timestamptz
        AND (at, id) < (:before_at::timestamptz, :before_id::uuid)
        AND id <> ALL (:seen::uuid[]) AND {condition}
      ORDER BY at DESC, id DESC LIMIT :limit::bigint) a
LEFT JOIN lua.tenant_directory d ON d.tenant_id = a.tenant_id
LEFT JOIN lua.log_source s ON s.source_id = a.source_id
ORDER BY a.at DESC, a.id DESC;

-- name: later
-- The same in the other direction: what fits, oldest first, from after a place.
SELECT a.kind, a.id, a.at, a.actor, a.on_behalf, a.tenant_id, d.slug, a.subject, a.action, a.object, a.purpose, a.outcome,
       a.address, a.session, a.application, a.severity, a.code, s.name AS source, a.message, a.body
FROM (SELECT * FROM lua.activity
      WHERE at >= :since::timestamptz AND at < :until::timestamptz
        AND (at, id) > (:after_at::timestamptz, :after_id::uuid) AND {condition}
      ORDER BY at, id LIMIT :limit::bigint) a
LEFT JOIN lua.tenant_directory d ON d.tenant_id = a.tenant_id
LEFT JOIN lua.log_source s ON s.source_id = a.source_id
ORDER BY a.at, a.id;

-- name: how_many
-- How many there are.
SELECT count(*) FROM lua.activity WHERE at >= :since::timestamptz AND at < :until::timestamptz AND {condition};

-- name: histogram
-- How many in each stretch of time in which there are any, counted from the epoch.
SELECT date_bin(:width::interval, at, TIMESTAMPTZ '1970-01-01 00:00:00+00') AS begins, count(*)
FROM lua.activity WHERE at >= :since::timestamptz AND at < :until::timestamptz AND {condition}
GROUP BY 1 ORDER BY 1;

-- name: span^
-- Time of the first and the last that fit; null when there is none.
SELECT min(at), max(at) FROM lua.activity WHERE at >= :since::timestamptz AND at < :until::timestamptz AND {condition};

-- name: place$
-- When a line or entry is, by its id.
SELECT at FROM lua.activity WHERE id = :id::uuid;

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

-- name: snapshot^
-- Every transaction below `settled` has ended; every one that runs now is below `ahead`. A snapshot's own xmax does
-- not say that (it follows the latest that ended), so the locks which running transactions hold on their ids are
-- asked; those ids have 32 bits and are counted from xmax on.
WITH s AS MATERIALIZED (
    SELECT pg_snapshot_xmin(c)::text::bigint AS xmin, pg_snapshot_xmax(c)::text::bigint AS xmax
    FROM pg_current_snapshot() AS c
)
SELECT s.xmin AS settled,
       s.xmax + greatest(0, (
           SELECT max(mod(l.transactionid::text::bigint - mod(s.xmax, 4294967296) + 6442450944, 4294967296) - 2147483647)
           FROM pg_catalog.pg_locks l WHERE l.locktype = 'transactionid' AND l.granted)) AS ahead
FROM s;

-- name: tenant_id$
-- The tenant that a name means.
SELECT tenant_id FROM lua.tenant_directory WHERE slug = :slug::text;
