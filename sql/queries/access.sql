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
