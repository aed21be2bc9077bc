-- name: may_become
-- Which of these roles the login may become with SET ROLE (since 16 that is a right of its own).
SELECT r.rolname
FROM pg_catalog.pg_roles r
WHERE r.rolname = ANY (:roles::text[])
  AND pg_has_role(session_user, r.oid,
                  CASE WHEN current_setting('server_version_num')::integer >= 160000 THEN 'SET' ELSE 'MEMBER' END)
ORDER BY r.rolname;

-- name: open_waivers
-- The waivers of a page that nobody took back, those whose time is over included.
SELECT waiver_id, promise, reason, waived_by, waived_at, valid_until
FROM lua.waiver
WHERE page = :page::text AND ended_at IS NULL
ORDER BY waiver_id;

-- name: insert_waiver!
-- Records a waiver; whose it is the database says itself.
INSERT INTO lua.waiver (waiver_id, page, promise, reason, waived_at, valid_until, entry_id)
VALUES (:waiver_id::uuid, :page::text, :promise::text, :reason::text, :at::timestamptz, :until::timestamptz,
        :entry_id::uuid);

-- name: end_waiver!
-- Ends a waiver that nobody ended before; not before it began, by whatever clock that was.
UPDATE lua.waiver
SET ended_at = greatest(:at::timestamptz, waived_at)
WHERE waiver_id = :waiver_id::uuid AND ended_at IS NULL;

-- name: last_states
-- The newest state of each promise of a page, among the newest thousand proofs that this login sees.
SELECT DISTINCT ON (s.key) s.key, s.value, p.at, p.actor, p.id
FROM (
    SELECT e.id, e.at, e.actor, convert_from(e.body, 'UTF8')::jsonb -> 'detail' AS detail
    FROM ledger.entry e
    WHERE e.tenant_id = 0 AND e.action = 'promise.prove'
      AND convert_from(e.body, 'UTF8')::jsonb #>> '{detail,page}' = :page::text
    ORDER BY e.at DESC
    LIMIT 1000
) AS p
CROSS JOIN jsonb_each_text(p.detail -> 'states') AS s
ORDER BY s.key, p.at DESC, p.id DESC;
