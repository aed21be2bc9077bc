-- name: slugs
-- Tenants whose slug begins so, for the shell's completion.
SELECT slug FROM lua.tenants() WHERE starts_with(slug, :prefix::text) ORDER BY slug LIMIT 200;

-- name: logins
-- Roles that may log in and whose name begins so, for the shell's completion.
SELECT rolname::text FROM pg_catalog.pg_roles
WHERE rolcanlogin AND starts_with(rolname::text, :prefix::text) AND rolname !~ '^(pg_|lua_t[0-9])'
ORDER BY rolname LIMIT 200;
