-- name: clock$
-- The server's clock at this moment.
SELECT clock_timestamp();

-- name: is_standby$
-- Whether the server only follows another one.
SELECT pg_catalog.pg_is_in_recovery();

-- name: members
-- Who can become, or uses the rights of, owner, definer or role keeper: nobody should.
SELECT g.rolname::text AS role, m.rolname::text AS member
FROM pg_catalog.pg_auth_members AS a
INNER JOIN pg_catalog.pg_roles AS g ON a.roleid = g.oid
INNER JOIN pg_catalog.pg_roles AS m ON a.member = m.oid
WHERE g.rolname IN ('lua_owner', 'lua_definer', 'lua_rolekeeper')
ORDER BY 1, 2;

-- name: unbound
-- Tables of tenants that row security does not bind, or not their owner; of log lines the table binds, which alone can be
-- read, and not its partitions.
SELECT c.oid::regclass::text
FROM pg_catalog.pg_class AS c
INNER JOIN pg_catalog.pg_attribute AS a ON a.attrelid = c.oid
WHERE c.relnamespace IN (SELECT n.oid FROM pg_catalog.pg_namespace AS n WHERE n.nspname IN ('lua', 'crm', 'vault'))
  AND c.relkind IN ('r', 'p') AND a.attname = 'tenant_id' AND NOT a.attisdropped
  AND c.relname NOT IN ('tenant_directory', 'token_directory', 'counter')
  AND NOT (c.relispartition AND c.relname ~ '^log_line_')
  AND NOT (c.relrowsecurity AND c.relforcerowsecurity)
ORDER BY 1;
