-- name: search
-- Entries by any of their columns, newest first, from before a place in that order.
SELECT e.id, e.at, e.body, e.tenant_id, d.slug
FROM ledger.entry e LEFT JOIN lua.tenant_directory d ON d.tenant_id = e.tenant_id
WHERE (:tenant_id::bigint IS NULL OR e.tenant_id = :tenant_id::bigint)
  AND (:actor::text IS NULL OR e.actor = :actor::text)
  AND (:action::text IS NULL OR e.action = :action::text)
  AND starts_with(e.action, :prefix::text)
  AND (:reference::uuid IS NULL OR e.subject = :reference::uuid OR e.touched @> ARRAY[:reference::uuid])
  AND (:since::timestamptz IS NULL OR e.at >= :since::timestamptz)
  AND (:until::timestamptz IS NULL OR e.at < :until::timestamptz)
  AND e.id <> ALL (:seen::uuid[])
ORDER BY e.at DESC, e.id DESC LIMIT :limit::bigint;

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
