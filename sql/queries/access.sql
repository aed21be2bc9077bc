-- name: reaches
-- Every login and what it reaches in luactl's schemas: attributes, roles, grants on tables, columns, sequences and
-- definer functions, what PUBLIC has, and ownership, each with the shortest way to it. Memberships are walked by
-- themselves because has_table_privilege() and its family know only what is inherited. A way is 0 now, 1 after SET
-- ROLE, 2 after granting a role to itself; SET needs the right on every step, ADMIN can be used through inheritance.
-- `tenant_only` leaves what touches rows of tenants; `own_role` is the login of a dedicated tenant, beside its staff role.
WITH RECURSIVE edge AS (          -- one row per membership, whoever granted it
    SELECT m.member, m.roleid,
           bool_or(coalesce((to_jsonb(m) ->> 'inherit_option')::boolean, r.rolinherit)) AS inherits,
           bool_or(coalesce((to_jsonb(m) ->> 'set_option')::boolean, true)) AS settable,
           bool_or(m.admin_option) AS administers
    FROM pg_catalog.pg_auth_members m JOIN pg_catalog.pg_roles r ON r.oid = m.member
    GROUP BY m.member, m.roleid
    UNION ALL                     -- up to 15 CREATEROLE grants any role but superusers
    SELECT r.oid, g.oid, false, false, true
    FROM pg_catalog.pg_roles r JOIN pg_catalog.pg_roles g ON g.oid <> r.oid AND NOT g.rolsuper
    WHERE r.rolcreaterole AND NOT r.rolsuper AND current_setting('server_version_num')::integer < 160000
), walk AS (                      -- can_be: the login can become this role, not only use its rights
    SELECT l.oid AS login, l.oid AS role, true AS can_be, 0 AS effort, ARRAY[l.oid] AS path
    FROM pg_catalog.pg_roles l WHERE l.rolcanlogin
    UNION ALL
    SELECT w.login, e.roleid, step.can_be, greatest(w.effort, step.effort), w.path || e.roleid
    FROM walk w
    JOIN edge e ON e.member = w.role AND e.roleid <> ALL (w.path)
    CROSS JOIN LATERAL (
        SELECT false AS can_be, 0 AS effort WHERE e.inherits
        UNION ALL SELECT true, 1 WHERE e.settable AND w.can_be
        UNION ALL SELECT true, 2 WHERE e.administers
    ) AS step
), best AS (
    SELECT DISTINCT ON (login, role) login, role, effort, path
    FROM walk ORDER BY login, role, effort, cardinality(path)
), become AS (
    SELECT DISTINCT ON (login, role) login, role, effort, path
    FROM walk WHERE can_be ORDER BY login, role, effort, cardinality(path)
), house AS (
    SELECT n.oid, n.nspname, n.nspowner, n.nspacl FROM pg_catalog.pg_namespace n
    WHERE n.nspname IN ('lua', 'crm', 'ledger', 'vault')
), acl(kind, object, schema, owner, items, of_tenant) AS (
    SELECT CASE c.relkind WHEN 'S' THEN 'sequence' WHEN 'v' THEN 'view' WHEN 'm' THEN 'materialized view'
                          WHEN 'f' THEN 'foreign table' ELSE 'table' END,
           format('%%I.%%I', h.nspname, c.relname), h.oid, c.relowner, c.relacl,
           c.relkind <> 'S' AND c.relname <> 'sentinel' AND EXISTS (   -- the sentinel is no tenant
               SELECT FROM pg_catalog.pg_attribute a WHERE a.attrelid = c.oid AND a.attname = 'tenant_id')
    FROM pg_catalog.pg_class c JOIN house h ON h.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S')
    UNION ALL
    SELECT 'column', format('%%I.%%I.%%I', h.nspname, c.relname, a.attname), h.oid, c.relowner, a.attacl, EXISTS (
               SELECT FROM pg_catalog.pg_attribute t WHERE t.attrelid = c.oid AND t.attname = 'tenant_id')
    FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_class c ON c.oid = a.attrelid JOIN house h ON h.oid = c.relnamespace
    WHERE a.attacl IS NOT NULL AND a.attnum > 0 AND NOT a.attisdropped
    UNION ALL
    SELECT 'definer function', p.oid::regprocedure::text, h.oid, p.proowner, coalesce(p.proacl, acldefault('f', p.proowner)),
           'p_tenant' = ANY (p.proargnames)
    FROM pg_catalog.pg_proc p JOIN house h ON h.oid = p.pronamespace WHERE p.prosecdef
), granted AS (
    SELECT acl.kind, acl.object, acl.schema, acl.of_tenant, x.grantee,
           string_agg(x.privilege_type || CASE WHEN x.is_grantable THEN ' (may pass it on)' ELSE '' END, ', '
                      ORDER BY x.privilege_type) AS rights
    FROM acl CROSS JOIN LATERAL (
        SELECT DISTINCT e.grantee, e.privilege_type, e.is_grantable FROM aclexplode(acl.items) AS e
        WHERE e.grantee <> acl.owner) AS x
    GROUP BY acl.kind, acl.object, acl.schema, acl.of_tenant, x.grantee
), owned AS (
    SELECT CASE c.relkind WHEN 'S' THEN 'sequence ' ELSE '' END || format('%%I.%%I', h.nspname, c.relname) AS object, c.relowner AS owner
    FROM pg_catalog.pg_class c JOIN house h ON h.oid = c.relnamespace WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S')
    UNION ALL SELECT 'schema ' || h.nspname, h.nspowner FROM house h
    UNION ALL SELECT 'function ' || p.oid::regprocedure, p.proowner FROM pg_catalog.pg_proc p JOIN house h ON h.oid = p.pronamespace
    UNION ALL SELECT 'database ' || d.datname, d.datdba FROM pg_catalog.pg_database d WHERE d.datname = current_database()
), found(login, kind, reaches, rights, effort, path, of_tenant, bound) AS (
    -- bound: row level security decides which rows of tenants show. An attribute is one thing, whoever has it.
    (SELECT DISTINCT ON (b.login, a.reaches)
            b.login, a.kind, a.reaches, a.rights, b.effort, b.path, a.of_tenant, false
    FROM become b JOIN pg_catalog.pg_roles r ON r.oid = b.role
    CROSS JOIN LATERAL (VALUES
        (r.rolsuper, 'superuser', 'everything', 'all', true),
        (r.rolbypassrls AND NOT r.rolsuper, 'attribute', 'BYPASSRLS', 'rows of all tenants', true),
        (r.rolcreaterole AND NOT r.rolsuper, 'attribute', 'CREATEROLE', 'makes roles', false),
        (r.rolreplication AND NOT r.rolsuper, 'attribute', 'REPLICATION', 'copies the whole server', true)
    ) AS a(holds, kind, reaches, rights, of_tenant) WHERE a.holds
    ORDER BY b.login, a.reaches, b.effort, cardinality(b.path), b.path)
    UNION ALL
    SELECT b.login, CASE WHEN b.role < 16384 THEN 'predefined role' ELSE 'group role' END, g.rolname, 'member', b.effort, b.path,
           g.rolname IN ('pg_read_all_data', 'pg_write_all_data', 'pg_read_server_files', 'pg_write_server_files',
                         'pg_execute_server_program')
           OR EXISTS (SELECT FROM granted WHERE granted.grantee = b.role AND granted.of_tenant),
           b.role >= 16384 OR g.rolname IN ('pg_read_all_data', 'pg_write_all_data')
    FROM best b JOIN pg_catalog.pg_roles g ON g.oid = b.role WHERE b.login <> b.role
    UNION ALL                     -- what the group roles of the schema may do stands in docs/reference/roles.md
    SELECT b.login, t.kind, t.object, t.rights, b.effort, b.path, t.of_tenant, true
    FROM granted t JOIN best b ON b.role = t.grantee JOIN pg_catalog.pg_roles g ON g.oid = t.grantee
    WHERE g.rolname !~ '^lua_(admin|operator|responder|auditor|dpo|accounting|app|ai|owner|definer|rolekeeper)$'
      AND EXISTS (SELECT FROM unnest(b.path) AS p(oid) WHERE has_schema_privilege(p.oid, t.schema, 'USAGE'))
    UNION ALL
    SELECT l.oid, t.kind, t.object, t.rights, 0, ARRAY[l.oid, 0::oid], t.of_tenant, true
    FROM granted t CROSS JOIN pg_catalog.pg_roles l
    WHERE t.grantee = 0 AND l.rolcanlogin AND has_schema_privilege(l.oid, t.schema, 'USAGE')
    UNION ALL
    SELECT b.login, 'owner', o.object, 'all', b.effort, b.path, o.object NOT LIKE 'sequence %%', false
    FROM owned o JOIN best b ON b.role = o.owner
), admitted AS (                  -- to a dedicated tenant: its own login, its staff, and administrators, who admit themselves
    SELECT a.login, min(a.effort) AS effort FROM (
        SELECT b.login, b.effort FROM become b JOIN pg_catalog.pg_roles r ON r.oid = b.role WHERE r.rolname = :own_role::text
        UNION ALL
        SELECT b.login, b.effort FROM best b JOIN pg_catalog.pg_roles r ON r.oid = b.role WHERE r.rolname = :own_role::text || '_staff'
        UNION ALL
        SELECT r.oid, 0 FROM pg_catalog.pg_roles r
        WHERE r.rolcanlogin AND pg_has_role(r.oid, to_regrole(:own_role::text || '_staff'), 'MEMBER')
        UNION ALL
        SELECT b.login, 2 FROM best b JOIN pg_catalog.pg_roles r ON r.oid = b.role
        WHERE r.rolname = 'lua_admin' AND to_regrole(:own_role::text || '_staff') IS NOT NULL
    ) AS a GROUP BY a.login
)
SELECT l.rolname AS login, f.kind, f.reaches, f.rights,
       (ARRAY['now', 'after SET ROLE', 'after granting it to itself'])[e.effort + 1] AS how,
       (SELECT string_agg(CASE p.oid WHEN 0 THEN 'PUBLIC' ELSE p.oid::regrole::text END, ' > ' ORDER BY p.n)
        FROM unnest(f.path) WITH ORDINALITY AS p(oid, n)) AS path
FROM found f JOIN pg_catalog.pg_roles l ON l.oid = f.login LEFT JOIN admitted a ON a.login = f.login
CROSS JOIN LATERAL (SELECT CASE WHEN f.bound AND :tenant_only::boolean THEN greatest(f.effort, a.effort) ELSE f.effort END) AS e (effort)
WHERE (f.kind = 'superuser' OR NOT l.rolsuper)
  AND (NOT :tenant_only::boolean OR f.of_tenant OR f.reaches IN (:own_role::text, :own_role::text || '_staff'))
  AND (NOT f.bound OR NOT :tenant_only::boolean
       OR CASE WHEN :own_role::text IS NULL THEN l.rolname !~ '^lua_t[0-9]'
               ELSE a.login IS NOT NULL END)
ORDER BY l.rolname, e.effort, f.kind, f.reaches, path;

-- name: tenant_id$
-- The id of a tenant, from the directory: a dedicated tenant's own row shows to nobody else.
SELECT tenant_id FROM lua.tenant_directory WHERE slug = :slug::text;

-- name: version$
-- The server's version as a number.
SELECT current_setting('server_version_num')::integer;

-- name: roles
-- All roles.
SELECT r.oid::bigint, r.rolname, r.rolcanlogin, r.rolsuper, r.rolinherit, r.rolcreaterole, r.rolbypassrls
FROM pg_catalog.pg_roles r ORDER BY r.rolname;

-- name: memberships
-- Who was made a member of whom, by whom, with which options; several may have granted the same. The database's owner is a
-- member of pg_database_owner without a row. Up to 15 there is one option, and the member's attribute says the rest.
SELECT m.member::bigint, m.roleid::bigint,
       coalesce((to_jsonb(m) ->> 'inherit_option')::boolean, r.rolinherit),
       coalesce((to_jsonb(m) ->> 'set_option')::boolean, true),
       m.admin_option, m.grantor::bigint
FROM pg_catalog.pg_auth_members m JOIN pg_catalog.pg_roles r ON r.oid = m.member
UNION ALL
SELECT d.datdba::bigint, o.oid::bigint, true, true, false, 0
FROM pg_catalog.pg_database d JOIN pg_catalog.pg_roles o ON o.rolname = 'pg_database_owner'
WHERE d.datname = current_database();

-- name: objects
-- Everything that can be granted and that somebody made, or that the server's configuration owns: kind, oid, name,
-- schema, owner. Policies: row security is on, and whether it binds the owner too.
WITH shown AS (
    SELECT n.oid, n.nspname, n.nspowner FROM pg_catalog.pg_namespace n
    WHERE n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname !~ '^pg_(toast|temp)'
)
SELECT CASE c.relkind WHEN 'S' THEN 'sequence' WHEN 'v' THEN 'view' WHEN 'm' THEN 'materialized view'
                      WHEN 'f' THEN 'foreign table' ELSE 'table' END AS kind,
       c.oid::bigint, format('%%I.%%I', s.nspname, c.relname) AS name, s.oid::bigint AS schema, c.relowner::bigint AS owner,
       c.relrowsecurity AS rows_secured, c.relforcerowsecurity AS owner_bound
FROM pg_catalog.pg_class c JOIN shown s ON s.oid = c.relnamespace WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S')
UNION ALL
SELECT CASE WHEN p.prosecdef THEN 'definer function' ELSE 'function' END, p.oid::bigint,
       format('%%I.%%I(%%s)', s.nspname, p.proname, pg_get_function_identity_arguments(p.oid)), s.oid::bigint, p.proowner::bigint,
       false, false
FROM pg_catalog.pg_proc p JOIN shown s ON s.oid = p.pronamespace
UNION ALL
SELECT 'schema', s.oid::bigint, quote_ident(s.nspname), NULL, s.nspowner::bigint, false, false FROM shown s
UNION ALL
SELECT 'database', d.oid::bigint, quote_ident(d.datname), NULL, d.datdba::bigint, false, false
FROM pg_catalog.pg_database d WHERE d.datname = current_database()
UNION ALL
SELECT 'large object', l.oid::bigint, l.oid::text, NULL, l.lomowner::bigint, false, false FROM pg_catalog.pg_largeobject_metadata l
UNION ALL
SELECT 'type', t.oid::bigint, format('%%I.%%I', s.nspname, t.typname), s.oid::bigint, t.typowner::bigint, false, false
FROM pg_catalog.pg_type t JOIN shown s ON s.oid = t.typnamespace WHERE t.typacl IS NOT NULL
UNION ALL
SELECT 'tablespace', t.oid::bigint, quote_ident(t.spcname), NULL, t.spcowner::bigint, false, false
FROM pg_catalog.pg_tablespace t WHERE t.spcacl IS NOT NULL
UNION ALL
SELECT 'language', l.oid::bigint, quote_ident(l.lanname), NULL, l.lanowner::bigint, false, false
FROM pg_catalog.pg_language l WHERE l.lanacl IS NOT NULL
UNION ALL
SELECT 'foreign server', f.oid::bigint, quote_ident(f.srvname), NULL, f.srvowner::bigint, false, false
FROM pg_catalog.pg_foreign_server f
UNION ALL
SELECT 'foreign-data wrapper', w.oid::bigint, quote_ident(w.fdwname), NULL, w.fdwowner::bigint, false, false
FROM pg_catalog.pg_foreign_data_wrapper w
UNION ALL
SELECT 'parameter', p.oid::bigint, p.parname, NULL, 10, false, false FROM pg_catalog.pg_parameter_acl p
ORDER BY 1, 3;

-- name: grants
-- Who was granted what on these, and on columns (their number; 0 is the whole): an empty list means the default of the
-- kind, in which PUBLIC may have something. Grantee 0 is PUBLIC.
WITH shown AS (
    SELECT n.oid FROM pg_catalog.pg_namespace n
    WHERE n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname !~ '^pg_(toast|temp)'
), acl(class, oid, sub, items) AS (
    SELECT 'relation', c.oid, 0, coalesce(c.relacl, acldefault(CASE c.relkind WHEN 'S' THEN 's' ELSE 'r' END::"char", c.relowner))
    FROM pg_catalog.pg_class c JOIN shown s ON s.oid = c.relnamespace WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S')
    UNION ALL
    SELECT 'relation', a.attrelid, a.attnum, a.attacl
    FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_class c ON c.oid = a.attrelid JOIN shown s ON s.oid = c.relnamespace
    WHERE a.attacl IS NOT NULL AND a.attnum > 0 AND NOT a.attisdropped AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
    UNION ALL
    SELECT 'function', p.oid, 0, coalesce(p.proacl, acldefault('f', p.proowner))
    FROM pg_catalog.pg_proc p JOIN shown s ON s.oid = p.pronamespace
    UNION ALL
    SELECT 'schema', n.oid, 0, coalesce(n.nspacl, acldefault('n', n.nspowner))
    FROM pg_catalog.pg_namespace n JOIN shown s ON s.oid = n.oid
    UNION ALL
    SELECT 'database', d.oid, 0, coalesce(d.datacl, acldefault('d', d.datdba))
    FROM pg_catalog.pg_database d WHERE d.datname = current_database()
    UNION ALL
    SELECT 'large object', l.oid, 0, coalesce(l.lomacl, acldefault('L', l.lomowner)) FROM pg_catalog.pg_largeobject_metadata l
    UNION ALL
    SELECT 'type', t.oid, 0, t.typacl FROM pg_catalog.pg_type t JOIN shown s ON s.oid = t.typnamespace
    UNION ALL
    SELECT 'tablespace', t.oid, 0, t.spcacl FROM pg_catalog.pg_tablespace t
    UNION ALL
    SELECT 'language', l.oid, 0, l.lanacl FROM pg_catalog.pg_language l
    UNION ALL
    SELECT 'foreign server', f.oid, 0, coalesce(f.srvacl, acldefault('S', f.srvowner)) FROM pg_catalog.pg_foreign_server f
    UNION ALL
    SELECT 'foreign-data wrapper', w.oid, 0, coalesce(w.fdwacl, acldefault('F', w.fdwowner)) FROM pg_catalog.pg_foreign_data_wrapper w
    UNION ALL
    SELECT 'parameter', p.oid, 0, p.paracl FROM pg_catalog.pg_parameter_acl p
)
SELECT acl.class, acl.oid::bigint, acl.sub::integer, x.grantee::bigint, x.privilege_type, x.is_grantable, x.grantor::bigint
FROM acl CROSS JOIN LATERAL aclexplode(acl.items) AS x;

-- name: columns
-- Names and numbers of the columns that were granted by themselves.
SELECT a.attrelid::bigint, a.attnum::integer, quote_ident(a.attname)
FROM pg_catalog.pg_attribute a WHERE a.attacl IS NOT NULL AND a.attnum > 0 AND NOT a.attisdropped;

-- name: policies
-- Row security's permissive policies: for which command (r, a, w, d, or * for all) and roles (0 is everybody).
SELECT p.polrelid::bigint, p.polcmd::text, p.polroles::bigint[] FROM pg_catalog.pg_policy p WHERE p.polpermissive;

-- name: views
-- What each view reads: the relation, its column (0: as a whole), whether the view reads as whoever asks it, and whether
-- rows can be written through it (Postgres' mask: 4 update, 8 insert, 16 delete).
SELECT DISTINCT v.oid::bigint, d.refobjid::bigint, d.refobjsubid::integer,
       coalesce((SELECT o.option_value::boolean FROM pg_options_to_table(v.reloptions) AS o
                 WHERE o.option_name = 'security_invoker'), false),
       pg_relation_is_updatable(v.oid::regclass, false)
FROM pg_catalog.pg_class v
JOIN pg_catalog.pg_rewrite w ON w.ev_class = v.oid
JOIN pg_catalog.pg_depend d ON d.classid = 'pg_rewrite'::regclass AND d.objid = w.oid
     AND d.refclassid = 'pg_class'::regclass AND d.refobjid <> v.oid
JOIN pg_catalog.pg_class t ON t.oid = d.refobjid AND t.relkind IN ('r', 'p', 'v', 'm', 'f')
WHERE v.relkind IN ('v', 'm');

-- name: definers
-- Functions that run with their owner's rights: their text, and what a body that was parsed when it was made depends on.
SELECT p.oid::bigint, coalesce(pg_get_function_sqlbody(p.oid), p.prosrc),
       ARRAY(SELECT d.refobjid::bigint FROM pg_catalog.pg_depend d WHERE d.classid = 'pg_proc'::regclass
             AND d.objid = p.oid AND d.refclassid = 'pg_class'::regclass AND d.deptype = 'n'),
       ARRAY(SELECT d.refobjid::bigint FROM pg_catalog.pg_depend d WHERE d.classid = 'pg_proc'::regclass
             AND d.objid = p.oid AND d.refclassid = 'pg_proc'::regclass AND d.deptype = 'n')
FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
WHERE p.prosecdef AND n.nspname NOT IN ('pg_catalog', 'information_schema');

-- name: may_read_rules$
-- Whether this login may read the rules of pg_hba.conf.
SELECT has_table_privilege('pg_catalog.pg_hba_file_rules', 'SELECT')
       AND has_function_privilege('pg_catalog.pg_hba_file_rules()', 'EXECUTE');

-- name: rules
-- The rules of pg_hba.conf, in their order; those that Postgres could not read are none.
SELECT h.type, h.database, h.user_name, h.address, h.netmask, h.auth_method
FROM pg_catalog.pg_hba_file_rules h WHERE h.error IS NULL ORDER BY h.line_number;

-- name: doors
-- What keeps a login out whatever the rules say, and when it was last seen, by the ledger and by the logs that came in: the
-- catalog itself keeps no last login.
SELECT r.oid::bigint, has_database_privilege(r.oid, current_database(), 'CONNECT'),
       r.rolvaliduntil <= :now::timestamptz, r.rolconnlimit = 0,
       greatest((SELECT max(e.at) FROM ledger.entry e WHERE e.actor = r.rolname),
                (SELECT max(l.at) FROM lua.log_line l WHERE l.actor = r.rolname)),
       current_database()
FROM pg_catalog.pg_roles r WHERE r.rolcanlogin;
