-- name: logins
-- Every role that can log in, and whether it is a superuser.
SELECT rolname, rolsuper
FROM pg_catalog.pg_roles
WHERE rolcanlogin
ORDER BY rolname;

-- name: erasures
-- The erasures of one tenant and their state, oldest first.
SELECT erasure_id, state
FROM lua.erasure
WHERE tenant_id = :tenant_id::bigint
ORDER BY erasure_id;
