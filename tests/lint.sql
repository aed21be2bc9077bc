-- The rules of the schema as queries over the catalog: each returns what breaks it, one text a row.

-- name: no_primary_key
-- Every table has a primary key.
SELECT t::text FROM lint_table WHERE NOT EXISTS (SELECT FROM pg_index i WHERE i.indrelid = t AND i.indisprimary);

-- name: tenant_column
-- tenant_id is bigint, not null, without default, identity or generation.
SELECT a.attrelid::regclass::text
FROM pg_attribute a JOIN lint_table ON t = a.attrelid
WHERE a.attname = 'tenant_id'
  AND (a.atttypid <> 'bigint'::regtype OR NOT a.attnotnull OR a.atthasdef OR a.attidentity <> '' OR a.attgenerated <> '');

-- name: index_order
-- Every index of a tenant table, primary keys, UNIQUE and EXCLUDE included, begins with tenant_id.
SELECT i.indexrelid::regclass::text
FROM pg_index i JOIN lint_tenant_table ON t = i.indrelid
LEFT JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0] AND i.indkey[0] > 0
WHERE a.attname IS DISTINCT FROM 'tenant_id';

-- name: foreign_keys
-- Keys between tenant tables carry tenant_id in the same position; from one to another table only to a directory, or to the
-- register of processors (a reference table on Citus).
SELECT c.conrelid::regclass || '.' || c.conname
FROM pg_constraint c JOIN lint_tenant_table f ON f.t = c.conrelid
WHERE c.contype = 'f' AND c.confrelid <> 'lua.processor'::regclass
  AND NOT EXISTS (SELECT FROM unnest(c.conkey, c.confkey) AS k(here, there)
                  JOIN pg_attribute a ON a.attrelid = c.conrelid AND a.attnum = k.here AND a.attname = 'tenant_id'
                  JOIN pg_attribute b ON b.attrelid = c.confrelid AND b.attnum = k.there AND b.attname = 'tenant_id');

-- name: foreign_keys_into_tenants
-- No table without a tenant refers to a table with one.
SELECT c.conrelid::regclass || '.' || c.conname
FROM pg_constraint c JOIN lint_tenant_table r ON r.t = c.confrelid
WHERE c.contype = 'f' AND c.conrelid NOT IN (SELECT t FROM lint_tenant_table);

-- name: key_actions
-- No ON DELETE or ON UPDATE SET NULL or SET DEFAULT on a key with tenant_id; tenant_id is never updated by CASCADE.
SELECT c.conrelid::regclass || '.' || c.conname
FROM pg_constraint c JOIN lint_table ON t = c.conrelid
WHERE c.contype = 'f' AND (c.confdeltype IN ('n', 'd') OR c.confupdtype IN ('n', 'd', 'c'))
  AND EXISTS (SELECT FROM pg_attribute a
              WHERE a.attrelid = c.conrelid AND a.attnum = ANY (c.conkey) AND a.attname = 'tenant_id');

-- name: serials
-- No small serial: numbers that a sequence hands out are bigint.
SELECT a.attrelid::regclass || '.' || a.attname
FROM pg_attribute a JOIN lint_table ON t = a.attrelid
LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
WHERE a.atttypid <> 'bigint'::regtype
  AND (a.attidentity <> '' OR pg_get_expr(d.adbin, d.adrelid) ~ 'nextval');

-- name: row_security
-- Row level security is on and binds the owner too, on every table with a tenant_id.
SELECT c.oid::regclass::text
FROM pg_class c JOIN lint_table ON t = c.oid
WHERE (c.oid IN (SELECT t FROM lint_tenant_table) OR c.oid = 'ledger.entry'::regclass)
  AND NOT (c.relrowsecurity AND c.relforcerowsecurity);

-- name: the_one_policy
-- Exactly one permissive policy, for all roles and operations, with the very expression of the rule.
SELECT t::text FROM lint_tenant_table
WHERE (SELECT count(*) FROM pg_policy p WHERE p.polrelid = t AND p.polpermissive) <> 1
   OR NOT EXISTS (SELECT FROM pg_policy p JOIN pg_policy r ON r.polrelid = 'lint_rule'::regclass
                  WHERE p.polrelid = t AND p.polpermissive AND p.polcmd = '*' AND p.polroles = '{0}'
                    AND p.polwithcheck IS NULL
                    AND pg_get_expr(p.polqual, p.polrelid) = pg_get_expr(r.polqual, r.polrelid));

-- name: elevation_policies
-- Every table with row security has the restrictive policy that ends an elevation, tables of tenants in the very words of the
-- rule; and the others the one that lets elevated logins take no other role. lua.imitate('lua.tenant', …) gives it to a new one.
SELECT t::text FROM lint_table JOIN pg_class c ON c.oid = t
CROSS JOIN LATERAL (SELECT t IN (SELECT l.t FROM lint_tenant_table l) AS of_tenants) AS k
WHERE c.relrowsecurity AND NOT (c.relispartition AND c.relnamespace <> 'crm'::regnamespace)
  AND (SELECT count(*) FROM pg_policy p JOIN pg_policy r ON r.polrelid = 'lint_rule'::regclass AND r.polname = p.polname
       WHERE p.polrelid = t AND NOT r.polpermissive AND NOT p.polpermissive AND p.polcmd = '*' AND p.polroles = r.polroles AND p.polwithcheck IS NULL
         AND CASE WHEN p.polname = 'elevation' OR of_tenants THEN pg_get_expr(p.polqual, p.polrelid) = pg_get_expr(r.polqual, r.polrelid)
                  ELSE pg_get_expr(p.polqual, p.polrelid) ~ '^\(\(clock_timestamp\(\) < to_timestamp.* AND .* = "left"\(md5\(' END)
      <> CASE WHEN of_tenants THEN 1 ELSE 2 END;

-- name: elevation_functions
-- A definer function that asks for rows of tenants, and that an elevated login may call, asks first whether its time is over.
SELECT f::text FROM lint_function JOIN pg_proc p ON p.oid = f
WHERE p.prosecdef AND p.proowner = 'lua_definer'::regrole
  AND p.prosrc !~ 'lua\.(require_tenant|require_time|elevated_tenant)\('
  AND EXISTS (SELECT FROM lint_tenant_table WHERE p.prosrc ~ ('\m' || replace(t::text, '.', '\.') || '\M'))
  AND EXISTS (SELECT FROM aclexplode(p.proacl) AS x
              WHERE x.grantee::regrole::text IN ('lua_operator', 'lua_responder', 'lua_auditor', 'lua_accounting'));

-- name: policy_expressions
-- No policy asks another table.
SELECT p.polrelid::regclass || '.' || p.polname
FROM pg_policy p JOIN lint_table ON t = p.polrelid
WHERE concat(pg_get_expr(p.polqual, p.polrelid), pg_get_expr(p.polwithcheck, p.polrelid)) ~* '\mselect\M';

-- name: triggers
-- No triggers and no rewrite rules.
SELECT t::text FROM lint_table JOIN pg_trigger g ON g.tgrelid = t WHERE NOT g.tgisinternal
UNION ALL SELECT t::text FROM lint_table JOIN pg_rewrite r ON r.ev_class = t;

-- name: storage
-- No unlogged tables, no inheritance but partitions, one level of them: customers' data by LIST of tenants, else by RANGE.
SELECT t::text FROM lint_table JOIN pg_class c ON c.oid = t
LEFT JOIN pg_inherits i ON i.inhrelid = t
LEFT JOIN pg_partitioned_table p ON p.partrelid = t
WHERE c.relpersistence <> 'p' OR (i.inhrelid IS NOT NULL AND NOT c.relispartition)
   OR (c.relkind = 'p' AND (c.relispartition OR pg_get_partkeydef(t) !~ CASE c.relnamespace WHEN 'crm'::regnamespace THEN '^LIST \(tenant_id\)$' ELSE '^RANGE ' END))
   OR (c.relkind = 'r' AND c.relnamespace = 'crm'::regnamespace AND NOT c.relispartition);

-- name: definer_functions
-- What runs with its owner's rights is lua_definer's, pins an empty search_path and relies on no setting. What changes
-- roles is lua_rolekeeper's, what makes partitions lua_owner's, and both serve administrators alone, but for elevated logins,
-- which follow an elevation on record, for the months of log and ledger, which serve those who bring lines in, integrate or
-- purge, and for what reviews of access decided, which serves the data protection officer too.
SELECT f::text FROM lint_function JOIN pg_proc p ON p.oid = f
WHERE p.prosecdef
  AND ((p.proowner <> 'lua_definer'::regrole
        AND NOT (p.proowner IN ('lua_rolekeeper'::regrole, 'lua_owner'::regrole) AND p.prosrc ~ 'PERFORM lua\.require_admin\(\)'
                 AND NOT EXISTS (SELECT FROM aclexplode(p.proacl) AS x WHERE x.grantee NOT IN (p.proowner, 'lua_admin'::regrole)))
        AND NOT (p.proowner IN ('lua_rolekeeper'::regrole, 'lua_owner'::regrole) AND p.proname ~ '_review$'
                 AND p.prosrc ~ 'PERFORM lua\.require_review_office\(\)'
                 AND NOT EXISTS (SELECT FROM aclexplode(p.proacl) AS x WHERE x.grantee NOT IN (p.proowner, 'lua_admin'::regrole, 'lua_dpo'::regrole)))
        AND NOT (p.proowner = 'lua_rolekeeper'::regrole AND p.proname ~ '_elevated_login$' AND p.prosrc ~ 'SELECT \* INTO \w+ FROM lua\.elevation e WHERE ')
        AND NOT (p.proowner = 'lua_owner'::regrole AND p.proname ~ '_(log_)?months?$' AND p.prosrc ~ 'PERFORM lua\.require_any\('))
       OR NOT coalesce(p.proconfig, '{}') && ARRAY['search_path=""', 'search_path=']
       OR p.prosrc ~* 'lua\.tenant_id');

-- name: tenant_argument
-- A definer function that takes a tenant asks whether session_user may act for it; one in SQL does so first, since a
-- question within a WHERE is not asked where the planner knows that there are no rows.
SELECT f::text FROM lint_function JOIN pg_proc p ON p.oid = f JOIN pg_language l ON l.oid = p.prolang
WHERE p.prosecdef AND 'p_tenant' = ANY (p.proargnames)
  AND p.prosrc !~ (CASE l.lanname WHEN 'sql' THEN '^\s*SELECT ' ELSE '' END || 'lua\.require_tenant\(p_tenant\)');

-- name: function_bodies
-- No function notifies, builds statements out of text, or sets the tenant context; but roles and partitions have no
-- other way, and nobody else's function has the rights to make them. The ledger, which is no table of tenants and lies
-- on one server, tells whoever follows it (docs/design/log.md).
SELECT f::text FROM lint_function JOIN pg_proc p ON p.oid = f
WHERE NOT (p.proowner = 'lua_rolekeeper'::regrole OR f::text IN ('lua.imitate(regclass,regclass)', 'lua.partition_by_tenant(text)', 'lua.add_partitions(bigint)', 'lua.drop_tenant_partitions(bigint)',
                                                                        'lua.revoke_stray_of_owner(text)', 'lua.revoke_stray_of_definer(text)', 'lua.stray_grants()',
                                                                        'lua.restore_right_of_owner(text,text,text)', 'lua.restore_right_of_definer(text,text,text)', 'lua.restore_policy(text,text)',
                                                                        'lua.cut_review(uuid,integer,timestamp with time zone)', 'lua.add_log_month(integer)', 'lua.drop_log_month(integer,timestamp with time zone)',
                                                                        'ledger.add_month(integer)', 'ledger.drop_month(integer)'))
  AND CASE WHEN p.oid = 'ledger.append'::regproc THEN replace(p.prosrc, 'pg_notify(''lua_log'', '''')', '') ELSE p.prosrc END
      ~* '\mnotify\M|\mpg_notify\M|\mset_config\M|\mset\s+(local\s+)?lua\.|\mexecute\M';

-- name: owners
-- Everything but definer functions is owned by lua_owner.
SELECT c.oid::regclass::text FROM pg_class c JOIN lint_schema ON n = c.relnamespace
WHERE c.relowner <> 'lua_owner'::regrole
UNION ALL SELECT n::text FROM lint_schema JOIN pg_namespace s ON s.oid = n WHERE s.nspowner <> 'lua_owner'::regrole
UNION ALL SELECT f::text FROM lint_function JOIN pg_proc p ON p.oid = f
WHERE NOT p.prosecdef AND p.proowner <> 'lua_owner'::regrole;

-- name: public_rights
-- PUBLIC has nothing: not by grant, not by a built-in default, not in schema public or on the database.
WITH acl AS (
    SELECT c.oid::regclass::text AS object, c.relacl AS items FROM pg_class c JOIN lint_schema ON n = c.relnamespace
    UNION ALL
    SELECT a.attrelid::regclass || '.' || a.attname, a.attacl FROM pg_attribute a JOIN lint_table ON t = a.attrelid
    UNION ALL
    SELECT f::text, coalesce(p.proacl, acldefault('f', p.proowner)) FROM lint_function JOIN pg_proc p ON p.oid = f
    UNION ALL
    SELECT s.nspname, coalesce(s.nspacl, acldefault('n', s.nspowner)) FROM pg_namespace s
    WHERE s.oid IN (SELECT n FROM lint_schema) OR s.nspname = 'public'
    UNION ALL
    SELECT 'database', coalesce(d.datacl, acldefault('d', d.datdba)) FROM pg_database d WHERE d.datname = current_database()
)
SELECT acl.object || ' ' || x.privilege_type FROM acl CROSS JOIN LATERAL aclexplode(acl.items) AS x WHERE x.grantee = 0;

-- name: passed_on
-- Nobody may pass a right on, and nobody has TRUNCATE, REFERENCES, TRIGGER or MAINTAIN.
SELECT c.oid::regclass || ' ' || x.privilege_type || ' ' || x.grantee::regrole
FROM pg_class c JOIN lint_schema ON n = c.relnamespace CROSS JOIN LATERAL aclexplode(c.relacl) AS x
WHERE x.grantee <> c.relowner
  AND (x.is_grantable OR x.privilege_type IN ('TRUNCATE', 'REFERENCES', 'TRIGGER', 'MAINTAIN'));

-- name: partition_grants
-- Rights stand on the partitioned table alone: policies do not bind who reads a partition directly.
SELECT c.oid::regclass::text FROM pg_class c JOIN lint_table ON t = c.oid
CROSS JOIN LATERAL aclexplode(c.relacl) AS x WHERE c.relispartition AND x.grantee <> c.relowner;

-- name: updates
-- UPDATE is granted by column, never on tenant_id, and on nothing in the ledger, which is append-only: but for the
-- moment at which a name of the log ends.
SELECT c.oid::regclass || ' ' || x.grantee::regrole
FROM pg_class c JOIN lint_table ON t = c.oid CROSS JOIN LATERAL aclexplode(c.relacl) AS x
WHERE x.privilege_type = 'UPDATE' AND x.grantee <> c.relowner
UNION ALL
SELECT a.attrelid::regclass || '.' || a.attname || ' ' || x.grantee::regrole
FROM pg_attribute a JOIN lint_table ON t = a.attrelid JOIN pg_class c ON c.oid = t
CROSS JOIN LATERAL aclexplode(a.attacl) AS x
WHERE x.privilege_type = 'UPDATE' AND (a.attname = 'tenant_id' OR c.relnamespace = 'ledger'::regnamespace)
  AND NOT (c.oid = 'ledger.origin'::regclass AND a.attname = 'ended_at' AND x.grantee = 'lua_definer'::regrole);

-- name: sequence_rights
-- A sequence can be drawn from, never set or wound back; lua.log_watched is a flag and counts nothing.
SELECT c.oid::regclass || ' ' || x.privilege_type || ' ' || x.grantee::regrole
FROM pg_class c JOIN lint_schema ON n = c.relnamespace CROSS JOIN LATERAL aclexplode(c.relacl) AS x
WHERE c.relkind = 'S' AND x.grantee <> c.relowner AND x.privilege_type <> 'USAGE'
  AND NOT (c.oid = 'lua.log_watched'::regclass AND x.grantee = 'lua_definer'::regrole);

-- name: roles
-- Nobody can log in as, or become, owner, definer or role keeper; no group role has attributes; no login makes roles. The
-- role keeper passes on what group roles may, and may none of it; the definer ends sessions.
SELECT r.rolname FROM pg_roles r
WHERE r.rolname ~ '^lua_(admin|operator|responder|auditor|dpo|accounting|app|ai|owner|definer|rolekeeper)$'
  AND (r.rolcanlogin OR r.rolsuper OR r.rolcreatedb OR r.rolreplication
       OR r.rolcreaterole <> (r.rolname = 'lua_rolekeeper') OR r.rolbypassrls <> (r.rolname = 'lua_definer'))
UNION ALL
SELECT m.member::regrole || ' > ' || m.roleid::regrole FROM pg_auth_members m
WHERE m.roleid IN ('lua_owner'::regrole, 'lua_definer'::regrole, 'lua_rolekeeper'::regrole)
   OR (m.member IN (SELECT r.oid FROM pg_roles r WHERE r.rolname ~ '^lua_(owner|definer|app|ai)$')
       AND (m.member, m.roleid) <> ('lua_definer'::regrole, 'pg_signal_backend'::regrole))
   OR (m.member = 'lua_rolekeeper'::regrole
       AND (NOT (m.roleid::regrole::text ~ '^lua_(admin|operator|responder|auditor|dpo|accounting|app|ai|elevated|e[0-9]+_[0-9]+_[0-9a-f]{14}|t[0-9]+(_staff)?)$'
                 OR EXISTS (SELECT FROM pg_roles r WHERE r.oid = m.roleid AND r.rolcanlogin AND r.rolname !~ '^lua_')) OR NOT m.admin_option
            OR coalesce((to_jsonb(m) ->> 'inherit_option')::boolean, false) OR coalesce((to_jsonb(m) ->> 'set_option')::boolean, false)))
UNION ALL
SELECT r.rolname FROM pg_roles r
WHERE (r.rolcreaterole AND NOT r.rolsuper AND r.rolname <> 'lua_rolekeeper') OR (r.rolname = 'lua_rolekeeper' AND r.rolinherit);

-- name: tenant_roles
-- Of a dedicated tenant's two roles one can log in, as the CRM and nothing more; the other is nothing but a mark.
SELECT r.rolname FROM pg_roles r
WHERE r.rolname ~ '^lua_t[0-9]'
  AND (r.rolname !~ '^lua_t[0-9]+(_staff)?$' OR r.rolsuper OR r.rolcreaterole OR r.rolcreatedb OR r.rolreplication OR r.rolbypassrls
       OR r.rolcanlogin <> (r.rolname !~ '_staff$')
       OR (SELECT coalesce(array_agg(m.roleid::regrole::text), '{}') FROM pg_auth_members m WHERE m.member = r.oid)
          <> CASE WHEN r.rolcanlogin THEN ARRAY['lua_app'] ELSE '{}' END);

-- name: partition_twins
-- A dedicated tenant's partition is as the pooled one: policies, foreign keys (to its own partitions), CHECKs, statistics,
-- storage parameters; and so is their parent, which has no foreign keys and nothing stored.
WITH part AS (
    SELECT i.inhrelid AS oid, p.partdefid AS pooled, coalesce(substring(c.relname FROM '_t[0-9]+$'), '_pooled') AS ending, false AS above
    FROM pg_partitioned_table p JOIN pg_inherits i ON i.inhparent = p.partrelid JOIN pg_class c ON c.oid = i.inhrelid
    WHERE p.partstrat = 'l'
    UNION ALL SELECT p.partrelid, p.partdefid, '', true FROM pg_partitioned_table p WHERE p.partstrat = 'l'
), thing AS (
    SELECT p.polrelid AS oid, concat_ws(' ', p.polname, p.polpermissive, p.polcmd, p.polroles::text,
                                        pg_get_expr(p.polqual, p.polrelid), pg_get_expr(p.polwithcheck, p.polrelid)) AS what FROM pg_policy p
    UNION ALL SELECT c.conrelid, c.conname || ' ' || pg_get_constraintdef(c.oid) FROM pg_constraint c
    WHERE c.contype IN ('f', 'c') AND c.conname <> 'pooled'
    UNION ALL SELECT a.attrelid, 'no statistics ' || a.attname FROM pg_attribute a WHERE a.attnum > 0 AND a.attstattarget = 0
    UNION ALL SELECT c.oid, concat_ws(' ', 'row security', c.relrowsecurity, c.relforcerowsecurity) FROM pg_class c
    UNION ALL SELECT c.oid, 'storage ' || array_to_string(c.reloptions, ', ') FROM pg_class c WHERE c.reloptions IS NOT NULL
)
SELECT part.oid::regclass || ' ' || t.what FROM part JOIN thing t ON t.oid = part.pooled
WHERE NOT (part.above AND t.what ~ 'FOREIGN KEY|^storage ')
  AND NOT EXISTS (SELECT FROM thing o WHERE o.oid = part.oid AND o.what = replace(t.what, '_pooled(', part.ending || '('))
UNION ALL
SELECT k.conrelid::regclass || '.' || k.conname || ' knows people of pooled tenants alone' FROM pg_constraint k
WHERE k.contype = 'f' AND k.confrelid IN (SELECT p.partdefid FROM pg_partitioned_table p)
  AND k.conrelid NOT IN (SELECT p.partdefid FROM pg_partitioned_table p) AND k.conparentid = 0
UNION ALL
SELECT p.partrelid::regclass || ' keeps dedicated tenants in ' || p.partdefid::regclass FROM pg_partitioned_table p
WHERE p.partstrat = 'l' AND NOT EXISTS (
    SELECT FROM pg_constraint c WHERE c.conrelid = p.partdefid AND c.convalidated
       AND pg_get_constraintdef(c.oid) = 'CHECK ((tenant_id < ''1099511627776''::bigint))');

-- name: comments
-- Every table says what it is for.
SELECT t::text FROM lint_table JOIN pg_class c ON c.oid = t
WHERE NOT c.relispartition AND obj_description(t, 'pg_class') IS NULL;

-- name: views
-- No view reads with its owner's rights; nothing is copied into a materialized one.
SELECT c.oid::regclass::text FROM pg_class c JOIN lint_schema ON n = c.relnamespace
WHERE c.relkind = 'm' OR (c.relkind = 'v' AND NOT coalesce(c.reloptions, '{}') && ARRAY['security_invoker=true', 'security_invoker=on']);

-- name: index_statistics
-- The most common values of a blind index or uniqueness digest are not collected.
SELECT a.attrelid::regclass || '.' || a.attname
FROM pg_attribute a JOIN lint_tenant_table ON t = a.attrelid
WHERE a.attname ~ '(_index|^digest)$' AND a.attstattarget IS DISTINCT FROM 0;
