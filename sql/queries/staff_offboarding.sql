-- name: approvals
-- Requests of a person that were not used yet.
SELECT a.approval_id, a.action FROM lua.approval a JOIN lua.person_login l ON l.login = a.requested_by
WHERE l.person_id = :person_id::uuid AND a.used_at IS NULL AND a.void_at IS NULL AND a.expires_at > :at::timestamptz
ORDER BY a.approval_id;

-- name: withdraw_approvals$
-- Takes requests of a person back; returns how many.
SELECT lua.withdraw_approvals(:person_id::uuid, :ids::uuid[], :reason::text, :at::timestamptz);

-- name: approver_keys
-- Keys by which a person answers requests, and that count.
SELECT DISTINCT k.vkey FROM lua.approver_key k JOIN lua.person_login l ON l.login = ANY (k.logins)
WHERE l.person_id = :person_id::uuid AND k.revoked_at IS NULL
ORDER BY 1;

-- name: revoke_key$
-- Revokes a key for answers to come; returns how many: 1 or 0.
SELECT lua.revoke_approver_key(:vkey::text, :at::timestamptz, :entry_id::uuid);

-- name: reviews
-- Reviews in which a person has still to decide, and how many items.
SELECT i.review_id, count(*) FROM lua.review_item i JOIN lua.review r ON r.review_id = i.review_id
WHERE i.reviewer = :person_id::uuid AND i.settled_at IS NULL AND i.decision_no IS NULL AND r.closed_at IS NULL
GROUP BY i.review_id ORDER BY i.review_id;

-- name: hand_on_review$
-- Gives what a person has still to decide to whoever is independent; returns how many items.
SELECT lua.hand_on_review(:review_id::uuid, :person_id::uuid, :successor::uuid, :at::timestamptz);

-- name: end_login$
-- Ends a login: its roles, its password, the way in.
SELECT lua.end_login(:login::name, :at::timestamptz, :entry_id::uuid);

-- name: end_person$
-- Writes down that somebody has left; false: they had left already.
SELECT lua.end_person(:person_id::uuid, :at::timestamptz, :entry_id::uuid);

-- name: sessions
-- Open sessions of all logins that are or were a person's.
SELECT l.login::text, count(*) FROM lua.person_login l JOIN pg_catalog.pg_stat_activity a ON a.usename = l.login
WHERE l.person_id = :person_id::uuid GROUP BY l.login ORDER BY 1;

-- name: end_sessions$
-- Ends the open sessions of a login that has ended; how many there were.
SELECT lua.end_sessions(:login::name);

-- name: left
-- What of a person's logins only a superuser can undo: memberships that others than the role keeper granted, and the way in of
-- roles that it does not keep.
SELECT format('REVOKE %%I FROM %%I', g.rolname, m.rolname)
       || CASE WHEN current_setting('server_version_num')::integer >= 160000 THEN format(' GRANTED BY %%I', b.rolname) ELSE '' END AS statement
FROM lua.person_login l JOIN pg_catalog.pg_roles m ON m.rolname = l.login
JOIN pg_catalog.pg_auth_members a ON a.member = m.oid JOIN pg_catalog.pg_roles g ON g.oid = a.roleid
JOIN pg_catalog.pg_roles b ON b.oid = a.grantor
WHERE l.person_id = :person_id::uuid AND b.rolname <> 'lua_rolekeeper'
UNION ALL
SELECT format('ALTER ROLE %%I NOLOGIN PASSWORD NULL', r.rolname)
FROM lua.person_login l JOIN pg_catalog.pg_roles r ON r.rolname = l.login
WHERE l.person_id = :person_id::uuid AND r.rolcanlogin AND NOT lua.keeps(l.login)
ORDER BY 1;

-- name: tokens
-- Tokens that a person issued and that work, by tenant and name; no name where this login is not admitted.
SELECT slug, name, tokens FROM lua.issued_tokens(:person_id::uuid, :at::timestamptz);

-- name: revoke_tokens
-- Ends those of one tenant, of somebody who has left; which ones.
SELECT tenant_id, secret_id FROM lua.revoke_issued_tokens(:person_id::uuid, :slug::text, :at::timestamptz);

-- name: elevations
-- Roles that somebody has for a time, with the login that has them.
SELECT elevation_id, role, login::text FROM lua.elevation
WHERE person_id = :person_id::uuid AND ended_at IS NULL AND ends_at > clock_timestamp()
ORDER BY elevation_id;

-- name: end_elevation$
-- Ends one of them.
SELECT lua.end_elevation(:elevation_id::uuid, :at::timestamptz, :entry_id::uuid);

-- name: lock_elevated_login$
-- Takes entrance and rights from its login; the next sweep drops it.
SELECT lua.lock_elevated_login(:elevation_id::uuid);
