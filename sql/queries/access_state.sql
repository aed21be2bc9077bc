-- name: roles
-- Roles of the server, but predefined ones and the superuser of the first hour: may it log in, which attributes has it, how many
-- connections, until when is its password taken, does it get into this database, and can luactl change it.
SELECT r.rolname::text, r.rolcanlogin,
       ARRAY[r.rolsuper, r.rolcreaterole, r.rolcreatedb, r.rolreplication, r.rolbypassrls],
       r.rolconnlimit, nullif(r.rolvaliduntil, 'infinity'),
       has_database_privilege(r.oid, current_database(), 'CONNECT'), lua.keeps(r.rolname)
FROM pg_catalog.pg_roles r WHERE r.oid <> 10 AND r.rolname !~ '^pg_' ORDER BY 1;

-- name: memberships
-- Who is a member of what, by whose grant, and whether it may be passed on; without those of predefined roles among each other.
SELECT g.rolname::text, m.rolname::text, b.rolname::text, a.admin_option
FROM pg_catalog.pg_auth_members a
JOIN pg_catalog.pg_roles g ON g.oid = a.roleid JOIN pg_catalog.pg_roles m ON m.oid = a.member JOIN pg_catalog.pg_roles b ON b.oid = a.grantor
WHERE m.rolname !~ '^pg_' AND m.oid <> 10
ORDER BY 2, 1, 3;

-- name: records
-- Logins of people and jobs, ended ones too: whose, in which teams, in force, bound, and what is on record.
SELECT l.login::text, p.handle, p.person_id, p.kind, ARRAY(SELECT t.team FROM lua.person_team t WHERE t.person_id = p.person_id ORDER BY 1),
       l.ended_at IS NULL AND p.ended_at IS NULL, lua.is_bound(p.person_id, :at::timestamptz), l.since,
       k.login IS NOT NULL, coalesce(k.connection_limit, -1), k.valid_until, coalesce(k.attributes, '{}'),
       ARRAY(SELECT g.role FROM lua.login_grant g WHERE g.login = l.login AND g.ended_at IS NULL ORDER BY 1)
FROM lua.person_login l JOIN lua.person p ON p.person_id = l.person_id LEFT JOIN lua.login k ON k.login = l.login
WHERE l.login !~ '^lua_'
ORDER BY l.since, l.login;

-- name: tenants
-- The logins of dedicated tenants that are here.
SELECT 'lua_t' || d.tenant_id FROM lua.tenant_directory d WHERE d.tenant_id >= 1099511627776;

-- name: strays
-- Rights on objects that belong to nobody but group roles.
SELECT object, grantee, privilege, grantor, owner, statement FROM lua.stray_grants();

-- name: settings
-- What roles, or all of them (PUBLIC), were given for good, here or in every database: the value where Postgres knows what it is,
-- the statement that takes it back, and can luactl run it. Without predefined roles and the superuser of the first hour.
SELECT coalesce(r.rolname, 'PUBLIC')::text, s.setdatabase <> 0, o.name, CASE WHEN k.context IS NOT NULL THEN o.value END,
       format('ALTER %%s RESET %%s', CASE WHEN r.oid IS NULL AND s.setdatabase <> 0 THEN format('DATABASE %%I', current_database())
                                      ELSE format('ROLE %%s%%s', coalesce(quote_ident(r.rolname), 'ALL'),
                                                  CASE WHEN s.setdatabase <> 0 THEN format(' IN DATABASE %%I', current_database()) ELSE '' END) END,
              (SELECT string_agg(quote_ident(part), '.' ORDER BY at) FROM unnest(string_to_array(o.name, '.')) WITH ORDINALITY AS p (part, at))),
       r.oid IS NOT NULL AND lua.keeps(r.rolname) AND coalesce(k.context, '') = 'user'
FROM pg_catalog.pg_db_role_setting s
CROSS JOIN LATERAL (SELECT split_part(one, '=', 1) AS name, substr(one, strpos(one, '=') + 1) AS value FROM unnest(s.setconfig) AS one) AS o
LEFT JOIN pg_catalog.pg_roles r ON r.oid = s.setrole
LEFT JOIN LATERAL (SELECT g.context FROM pg_catalog.pg_settings g WHERE g.name = o.name
                   UNION ALL SELECT 'no function' WHERE o.name = 'role') AS k ON true  -- which pg_settings does not show
WHERE s.setdatabase IN (0, (SELECT d.oid FROM pg_catalog.pg_database d WHERE d.datname = current_database()))
  AND (s.setrole = 0 OR (r.oid <> 10 AND r.rolname !~ '^pg_'))
ORDER BY 1, 2, 3;

-- name: things
-- Our objects, and others on which a group role has rights: name, how a statement names it, owner, and who of them may do what to which column.
WITH held AS (
    SELECT a.name, a.target, a.owner, x.privilege_type, trim(a.col, ' ()') AS col, g.rolname
    FROM lua.acls() AS a
    LEFT JOIN LATERAL aclexplode(a.items) AS x ON x.grantee IN (SELECT r.oid FROM pg_catalog.pg_roles r
        WHERE r.rolname ~ '^lua_(admin|operator|responder|auditor|dpo|accounting|app|ai|elevated)$')
    LEFT JOIN pg_catalog.pg_roles g ON g.oid = x.grantee
)
SELECT h.name, h.target, o.rolname::text,
       coalesce(array_agg(ARRAY[h.rolname::text, h.privilege_type, h.col] ORDER BY 1) FILTER (WHERE h.rolname IS NOT NULL), '{}')
FROM held h JOIN pg_catalog.pg_roles o ON o.oid = h.owner
GROUP BY 1, 2, 3
HAVING count(h.rolname) > 0 OR h.name ~ '^(lua|crm|ledger|vault)(\.|$)' OR h.name = 'DATABASE'
ORDER BY 2;

-- name: policies
-- Row security and policies of our tables.
SELECT object, model, is_month, policy, definition, permissive, owner FROM lua.policies();

-- name: owned
-- Relations, routines, schemas and types of this database that belong to neither lua_owner, lua_definer nor lua_rolekeeper, nor to a
-- superuser or the database's owner; what belongs to a table goes with it.
WITH space AS (
    SELECT n.oid, n.nspname, n.nspowner FROM pg_catalog.pg_namespace n
    WHERE n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname !~ '^pg_(toast|temp)'
), thing (owner, object) AS (
    SELECT c.relowner, format('%%s %%I.%%I', CASE c.relkind WHEN 'S' THEN 'SEQUENCE' WHEN 'v' THEN 'VIEW' WHEN 'm' THEN 'MATERIALIZED VIEW'
                                               WHEN 'f' THEN 'FOREIGN TABLE' ELSE 'TABLE' END, s.nspname, c.relname)
    FROM pg_catalog.pg_class c JOIN space s ON s.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S')
      AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND c.relkind = 'S'
                      AND d.refclassid = 'pg_class'::regclass AND d.deptype IN ('a', 'i'))
    UNION ALL
    SELECT p.proowner, format('ROUTINE %%I.%%I(%%s)', s.nspname, p.proname, pg_get_function_identity_arguments(p.oid))
    FROM pg_catalog.pg_proc p JOIN space s ON s.oid = p.pronamespace
    UNION ALL
    SELECT s.nspowner, format('SCHEMA %%I', s.nspname) FROM space s
    UNION ALL
    SELECT t.typowner, format('%%s %%I.%%I', CASE t.typtype WHEN 'd' THEN 'DOMAIN' ELSE 'TYPE' END, s.nspname, t.typname)
    FROM pg_catalog.pg_type t JOIN space s ON s.oid = t.typnamespace
    WHERE t.typelem = 0 AND t.typtype IN ('b', 'd', 'e', 'r')
       OR (t.typtype = 'c' AND EXISTS (SELECT FROM pg_catalog.pg_class c WHERE c.oid = t.typrelid AND c.relkind = 'c'))
          AND t.typnamespace IN (SELECT s.oid FROM space s)
    UNION ALL
    SELECT l.lomowner, 'LARGE OBJECT ' || l.oid FROM pg_catalog.pg_largeobject_metadata l
)
SELECT t.object, r.rolname::text, format('ALTER %%s OWNER TO lua_owner', t.object)
FROM thing t JOIN pg_catalog.pg_roles r ON r.oid = t.owner
WHERE r.rolname NOT IN ('lua_owner', 'lua_definer', 'lua_rolekeeper', 'pg_database_owner') AND NOT r.rolsuper
  AND t.owner <> (SELECT d.datdba FROM pg_catalog.pg_database d WHERE d.datname = current_database())
ORDER BY 1;

-- name: is_old$
-- Whether a membership is one for all grantors, and CREATEROLE changes every role (up to 15).
SELECT current_setting('server_version_num')::integer < 160000;

-- name: undo_membership$
-- Takes a membership, or the right to pass it on.
SELECT lua.undo_membership(:role::name, :login::name, :admin_only::boolean, :at::timestamptz, :entry_id::uuid);

-- name: restore_login$
-- Makes a login what is on record of it.
SELECT lua.restore_login(:login::name, :at::timestamptz);

-- name: revoke_stray_of_owner$
-- Takes back what was granted on an object of lua_owner.
SELECT lua.revoke_stray_of_owner(:statement::text);

-- name: revoke_stray_of_definer$
-- Takes back what was granted on an object of lua_definer.
SELECT lua.revoke_stray_of_definer(:statement::text);

-- name: revoke_stray_of_rolekeeper$
-- Takes back what was granted on an object of lua_rolekeeper.
SELECT lua.revoke_stray_of_rolekeeper(:statement::text);

-- name: reset_setting$
-- Takes a setting that a role was given for good, in this database or in all.
SELECT lua.reset_setting(:role::name, :here::boolean, :setting::text);

-- name: restore_right_of_owner$
-- Makes a right of a group role on an object of lua_owner what the migrations made it.
SELECT lua.restore_right_of_owner(:object::text, :privilege::text, :role::text);

-- name: restore_right_of_definer$
-- Makes a right of a group role on an object of lua_definer what the migrations made it.
SELECT lua.restore_right_of_definer(:object::text, :privilege::text, :role::text);

-- name: restore_right_of_rolekeeper$
-- Makes a right of a group role on an object of lua_rolekeeper what the migrations made it.
SELECT lua.restore_right_of_rolekeeper(:object::text, :privilege::text, :role::text);

-- name: restore_policy$
-- Makes row security (an empty name), or a policy, of a table what the migrations made it.
SELECT lua.restore_policy(:object::text, :policy::text);
