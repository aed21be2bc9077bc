-- name: passwords
-- Logins with a password that is not stored as SCRAM; only a superuser, or who was given pg_authid, sees it.
SELECT rolname, coalesce(rolpassword LIKE 'SCRAM-SHA-256$%%', true), rolpassword IS NOT NULL
FROM pg_catalog.pg_authid
WHERE rolcanlogin
ORDER BY rolname;

-- name: sealed_columns
-- Columns of customers' data and of secrets that hold bytes; digests are keyed hashes, not sealed values.
SELECT c.oid::regclass::text, a.attname::text
FROM pg_catalog.pg_class c
JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
WHERE (c.relnamespace = 'crm'::regnamespace OR c.oid = 'lua.secret'::regclass) AND c.relkind IN ('r', 'p') AND NOT c.relispartition
  AND a.atttypid = 'bytea'::regtype AND a.attname !~ '^(login_)?digest$|^hash$'
ORDER BY 1, 2;

-- name: tokens_in_clear
-- Secrets in whose texts a token stands.
SELECT name FROM lua.secret
WHERE tenant_id = :tenant_id::bigint
  AND concat_ws(' ', name, prefix, array_to_string(scopes, ' '), created_by) ~ 'lua_[a-z2-7]{8}_[0-9A-Za-z]{43}';
