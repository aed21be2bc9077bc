-- name: is_superuser$
-- Whether the login that speaks here may change roles and schemas.
SELECT rolsuper FROM pg_catalog.pg_roles WHERE rolname = session_user;

-- name: login^
-- What is known of a role: may it log in, does row security bind it, which group roles is it in.
SELECT
    r.rolcanlogin,
    r.rolsuper OR r.rolbypassrls AS unbound,
    ARRAY(
        SELECT g.rolname::text
        FROM pg_catalog.pg_auth_members AS m
        INNER JOIN pg_catalog.pg_roles AS g ON m.roleid = g.oid
        WHERE m.member = r.oid AND starts_with(g.rolname, 'lua_')
        ORDER BY g.rolname
    ) AS groups
FROM pg_catalog.pg_roles AS r
WHERE r.rolname = :login::text;

-- name: is_recorded$
-- Whether the ledger remembers the making of this database.
SELECT EXISTS (SELECT FROM ledger.entry WHERE action = 'init');

-- name: has_database$
-- Whether a database of that name is on the server.
SELECT EXISTS (SELECT FROM pg_catalog.pg_database WHERE datname = :name::text);

-- name: has_table$
-- Whether a table is there and whole; asked before the migrations that would make it.
SELECT to_regclass(:name::text) IS NOT NULL;
