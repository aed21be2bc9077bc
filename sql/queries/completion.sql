-- name: slugs
-- Tenants whose slug begins so, for the shell's completion.
SELECT slug FROM lua.tenants() WHERE starts_with(slug, :prefix::text) ORDER BY slug LIMIT 200;

-- name: logins
-- Roles that may log in and whose name begins so, for the shell's completion.
SELECT rolname::text FROM pg_catalog.pg_roles
WHERE rolcanlogin AND starts_with(rolname::text, :prefix::text) AND rolname !~ '^(pg_|lua_[et][0-9])'
ORDER BY rolname LIMIT 200;

-- name: ids
-- Ids beginning so of what the newest entries are about, the latest first: `noun:id` is how the ledger names it.
SELECT substr(object, length(:noun::text) + 2)
FROM (SELECT at, convert_from(body, 'UTF8')::jsonb ->> 'object' AS object
      FROM ledger.entry ORDER BY at DESC, id DESC LIMIT 2000) AS newest
WHERE starts_with(object, :noun::text || ':' || :prefix::text)
GROUP BY object ORDER BY max(at) DESC, object LIMIT 200;
