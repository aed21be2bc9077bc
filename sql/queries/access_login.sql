-- name: logins
-- Logins of people and jobs, with what is on record of each; of those that nobody recorded what the catalog says. Ended ones
-- with `every`; only one with `login`.
SELECT pl.login::text, p.handle, p.kind,
       CASE WHEN l.login IS NULL
            THEN ARRAY(SELECT DISTINCT g.rolname::text FROM pg_catalog.pg_auth_members m JOIN pg_catalog.pg_roles g ON g.oid = m.roleid
                       WHERE m.member = r.oid AND g.rolname ~ '^lua_(admin|operator|responder|auditor|dpo|accounting|app|ai)$' ORDER BY 1)
            ELSE ARRAY(SELECT g.role FROM lua.login_grant g WHERE g.login = pl.login AND g.ended_at IS NULL ORDER BY 1) END,
       coalesce(l.method, 'unknown'), coalesce(l.connection_limit, r.rolconnlimit, -1),
       coalesce(l.valid_until, nullif(CASE WHEN l.login IS NULL THEN r.rolvaliduntil END, 'infinity')),
       coalesce(l.attributes, '{}'), lua.is_bound(p.person_id, :at::timestamptz), pl.since,
       CASE WHEN pl.ended_at IS NOT NULL THEN pl.ended_at ELSE p.ended_at END, r.rolcanlogin, p.person_id
FROM lua.person_login pl
JOIN lua.person p ON p.person_id = pl.person_id
LEFT JOIN lua.login l ON l.login = pl.login
LEFT JOIN pg_catalog.pg_roles r ON r.rolname = pl.login
WHERE (:every::boolean OR (pl.ended_at IS NULL AND p.ended_at IS NULL)) AND (:login::text IS NULL OR pl.login = :login::text)
ORDER BY pl.login;

-- name: add_login$
-- Makes a login.
SELECT lua.add_login(:login::name, :person_id::uuid, :roles::text[], :method::text, :verifier::text, :limit::integer,
                     :until::timestamptz, :at::timestamptz, :entry_id::uuid);

-- name: change_login$
-- Writes anew what a login is; whether that changed anything.
SELECT lua.change_login(:login::name, :roles::text[], :method::text, :verifier::text, :limit::integer, :until::timestamptz,
                        :at::timestamptz, :entry_id::uuid);

-- name: end_login$
-- Ends a login; false: it had ended.
SELECT lua.end_login(:login::name, :at::timestamptz, :entry_id::uuid);

-- name: end_sessions$
-- Ends the open sessions of a login that has ended; how many there were.
SELECT lua.end_sessions(:login::name);

-- name: adopt_login$
-- Writes down whose login it is that exists; false: that is known.
SELECT lua.adopt_login(:login::name, :person_id::uuid, :method::text, :attributes::text[], :at::timestamptz, :entry_id::uuid);

-- name: left
-- What of a login only a superuser can undo: memberships in these roles that others granted, and its right to log in once it
-- has ended. On 16 and newer each grant has its grantor.
SELECT format('REVOKE %%I FROM %%I', g.rolname, m.rolname)
       || CASE WHEN current_setting('server_version_num')::integer >= 160000 THEN format(' GRANTED BY %%I', b.rolname) ELSE '' END AS statement
FROM pg_catalog.pg_auth_members a
JOIN pg_catalog.pg_roles m ON m.oid = a.member JOIN pg_catalog.pg_roles g ON g.oid = a.roleid JOIN pg_catalog.pg_roles b ON b.oid = a.grantor
WHERE m.rolname = :login::text AND (:ended::boolean OR g.rolname = ANY (:roles::text[]))
UNION ALL
SELECT format('ALTER ROLE %%I NOLOGIN PASSWORD NULL', r.rolname) FROM pg_catalog.pg_roles r
WHERE r.rolname = :login::text AND :ended::boolean AND r.rolcanlogin
ORDER BY 1;

-- name: hand_over$
-- Whether only a superuser can change the role itself, since another than luactl made it.
SELECT EXISTS (SELECT FROM pg_catalog.pg_roles r WHERE r.rolname = :login::text) AND NOT lua.keeps(:login::name);

-- name: strangers
-- Who can log in to this database and is nobody's: which group roles it is in, and what attributes it has. The superuser of
-- the first hour, elevated logins, and those of dedicated tenants that are here, are known.
SELECT r.rolname::text,
       ARRAY(SELECT DISTINCT g.rolname::text FROM pg_catalog.pg_auth_members m JOIN pg_catalog.pg_roles g ON g.oid = m.roleid
             WHERE m.member = r.oid ORDER BY 1),
       ARRAY[r.rolsuper, r.rolcreaterole, r.rolcreatedb, r.rolreplication, r.rolbypassrls]
FROM pg_catalog.pg_roles r
WHERE r.rolcanlogin AND r.oid <> 10 AND r.rolname !~ '^lua_e[0-9]' AND has_database_privilege(r.oid, current_database(), 'CONNECT')
  AND NOT EXISTS (SELECT FROM lua.person_login l JOIN lua.person p ON p.person_id = l.person_id
                  WHERE l.login = r.rolname AND l.ended_at IS NULL AND p.ended_at IS NULL)
  AND NOT EXISTS (SELECT FROM lua.tenant_directory d WHERE r.rolname = 'lua_t' || d.tenant_id)
ORDER BY 1;
