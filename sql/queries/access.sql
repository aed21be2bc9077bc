-- name: tenant_id$
-- The id of a tenant, from the directory: a dedicated tenant's own row shows to nobody else.
SELECT tenant_id FROM lua.tenant_directory WHERE slug = :slug::text;

-- name: of_tenants
-- What in luactl's schemas touches rows of tenants: relations with a tenant_id (the sentinel is no tenant), and functions
-- that are told a tenant.
SELECT 'relation', c.oid::bigint
FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attname = 'tenant_id'
WHERE n.nspname IN ('lua', 'crm', 'ledger', 'vault') AND c.relname <> 'sentinel'
UNION ALL
SELECT 'function', p.oid::bigint
FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
WHERE n.nspname IN ('lua', 'crm', 'ledger', 'vault') AND 'p_tenant' = ANY (p.proargnames);

-- name: server^
-- The server's version as a number, and whether its WAL can be decoded into rows.
SELECT current_setting('server_version_num')::integer, current_setting('wal_level') = 'logical';

-- name: roles
-- All roles.
SELECT r.oid::bigint, r.rolname, r.rolcanlogin, r.rolsuper, r.rolinherit, r.rolcreaterole, r.rolbypassrls, r.rolreplication
FROM pg_catalog.pg_roles r ORDER BY r.rolname;

-- name: owned
-- What an owner can do with an object of each kind, and grants to itself where it was taken away, as this version has it. What
-- has no list of grants is its owner's alone.
SELECT k.kind, x.privilege_type
FROM (VALUES ('table', 'r'), ('sequence', 's'), ('function', 'f'), ('schema', 'n'), ('database', 'd'), ('large object', 'L'),
             ('type', 'T'), ('tablespace', 't'), ('language', 'l'), ('foreign server', 'S'), ('foreign-data wrapper', 'F'),
             ('parameter', 'p')) AS k(kind, code)
CROSS JOIN LATERAL aclexplode(acldefault(k.code::"char", 10)) AS x WHERE x.grantee = 10
UNION ALL VALUES ('publication', 'ALTER'), ('subscription', 'ALTER'), ('user mapping', 'USE');

-- name: settings
-- What is set for a login as it comes in, by itself, or for all of this database: the names, for values may be secret.
SELECT s.setrole::bigint, d.datname, (SELECT array_agg(split_part(one, '=', 1) ORDER BY one) FROM unnest(s.setconfig) AS one)
FROM pg_catalog.pg_db_role_setting s LEFT JOIN pg_catalog.pg_database d ON d.oid = s.setdatabase
WHERE s.setdatabase IN (0, (SELECT d.oid FROM pg_catalog.pg_database d WHERE d.datname = current_database()));

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
-- Everything that can be granted and that somebody made, or that the server's configuration owns, publications, subscriptions,
-- credentials for other servers, and what objects to come grant: kind, oid, name, schema (of credentials the server), owner.
-- Policies: row security is on, and whether it binds the owner too.
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
FROM pg_catalog.pg_tablespace t WHERE t.spcacl IS NOT NULL OR t.spcowner <> 10
UNION ALL
SELECT 'language', l.oid::bigint, quote_ident(l.lanname), NULL, l.lanowner::bigint, false, false
FROM pg_catalog.pg_language l WHERE l.lanacl IS NOT NULL OR l.lanowner <> 10
UNION ALL
SELECT 'foreign server', f.oid::bigint, quote_ident(f.srvname), NULL, f.srvowner::bigint, false, false
FROM pg_catalog.pg_foreign_server f
UNION ALL
SELECT 'foreign-data wrapper', w.oid::bigint, quote_ident(w.fdwname), NULL, w.fdwowner::bigint, false, false
FROM pg_catalog.pg_foreign_data_wrapper w
UNION ALL
SELECT 'parameter', p.oid::bigint, p.parname, NULL, 10, false, false FROM pg_catalog.pg_parameter_acl p
UNION ALL
SELECT 'user mapping', u.umid::bigint, format('%%I for %%s', u.srvname, CASE u.umuser WHEN 0 THEN 'PUBLIC' ELSE quote_ident(u.usename) END),
       u.srvid::bigint, 0, false, false
FROM pg_catalog.pg_user_mappings u
UNION ALL
SELECT 'publication', p.oid::bigint, quote_ident(p.pubname), NULL, p.pubowner::bigint, false, false FROM pg_catalog.pg_publication p
UNION ALL
SELECT 'subscription', s.oid::bigint, quote_ident(s.subname), NULL, s.subowner::bigint, false, false
FROM pg_catalog.pg_subscription s JOIN pg_catalog.pg_database d ON d.oid = s.subdbid WHERE d.datname = current_database()
UNION ALL
SELECT 'default privilege', a.oid::bigint,
       format('%%s to come%%s, made by %%I', CASE a.defaclobjtype WHEN 'r' THEN 'tables' WHEN 'S' THEN 'sequences' WHEN 'f' THEN 'functions'
              WHEN 'T' THEN 'types' WHEN 'n' THEN 'schemas' ELSE 'large objects' END, ' in ' || quote_ident(n.nspname), r.rolname),
       n.oid::bigint, a.defaclrole::bigint, false, false
FROM pg_catalog.pg_default_acl a JOIN pg_catalog.pg_roles r ON r.oid = a.defaclrole
LEFT JOIN pg_catalog.pg_namespace n ON n.oid = a.defaclnamespace
ORDER BY 1, 3;

-- name: grants
-- Who was granted what on these, and on columns (their number; 0 is the whole): an empty list means the default of the
-- kind, in which PUBLIC may have something. Grantee 0 is PUBLIC. What has no list is its owner's.
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
    SELECT 'tablespace', t.oid, 0, coalesce(t.spcacl, acldefault('t', t.spcowner))
    FROM pg_catalog.pg_tablespace t WHERE t.spcacl IS NOT NULL OR t.spcowner <> 10
    UNION ALL
    SELECT 'language', l.oid, 0, coalesce(l.lanacl, acldefault('l', l.lanowner))
    FROM pg_catalog.pg_language l WHERE l.lanacl IS NOT NULL OR l.lanowner <> 10
    UNION ALL
    SELECT 'foreign server', f.oid, 0, coalesce(f.srvacl, acldefault('S', f.srvowner)) FROM pg_catalog.pg_foreign_server f
    UNION ALL
    SELECT 'foreign-data wrapper', w.oid, 0, coalesce(w.fdwacl, acldefault('F', w.fdwowner)) FROM pg_catalog.pg_foreign_data_wrapper w
    UNION ALL
    SELECT 'parameter', p.oid, 0, p.paracl FROM pg_catalog.pg_parameter_acl p
)
SELECT acl.class, acl.oid::bigint, acl.sub::integer, x.grantee::bigint, x.privilege_type, x.is_grantable, x.grantor::bigint
FROM acl CROSS JOIN LATERAL aclexplode(acl.items) AS x
UNION ALL
SELECT 'default privilege', a.oid::bigint, 0, x.grantee::bigint, x.privilege_type, x.is_grantable, x.grantor::bigint
FROM pg_catalog.pg_default_acl a CROSS JOIN LATERAL aclexplode(a.defaclacl) AS x WHERE x.grantee <> a.defaclrole
UNION ALL
SELECT 'publication', p.oid::bigint, 0, p.pubowner::bigint, 'ALTER', false, 0 FROM pg_catalog.pg_publication p
UNION ALL
SELECT 'subscription', s.oid::bigint, 0, s.subowner::bigint, 'ALTER', false, 0
FROM pg_catalog.pg_subscription s JOIN pg_catalog.pg_database d ON d.oid = s.subdbid WHERE d.datname = current_database();

-- name: mappings
-- For whom credentials for another server are kept: for nobody who is a member of that role, and for 0, whoever has none.
SELECT u.umid::bigint, u.umuser::bigint FROM pg_catalog.pg_user_mappings u;

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
-- Functions that run with their owner's rights: their text, what a body that was parsed when it was made depends on, whether
-- names in the body are looked up as it runs, and in which schemas (none: in those of whoever calls).
SELECT p.oid::bigint, coalesce(pg_get_function_sqlbody(p.oid), p.prosrc),
       ARRAY(SELECT d.refobjid::bigint FROM pg_catalog.pg_depend d WHERE d.classid = 'pg_proc'::regclass
             AND d.objid = p.oid AND d.refclassid = 'pg_class'::regclass AND d.deptype = 'n'),
       ARRAY(SELECT d.refobjid::bigint FROM pg_catalog.pg_depend d WHERE d.classid = 'pg_proc'::regclass
             AND d.objid = p.oid AND d.refclassid = 'pg_proc'::regclass AND d.deptype = 'n'),
       p.prosqlbody IS NULL AND l.lanname NOT IN ('c', 'internal'),
       (SELECT substr(one, 13) FROM unnest(p.proconfig) AS one WHERE one LIKE 'search\_path=%%')
FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
JOIN pg_catalog.pg_language l ON l.oid = p.prolang
WHERE p.prosecdef AND n.nspname NOT IN ('pg_catalog', 'information_schema');

-- name: rewrites
-- What the rules of a relation do besides, or instead, with other relations, as its owner: the event (2 update, 3 insert, 4
-- delete), the relation, and what is done with it (1 insert, 2 select, 4 update, 8 delete), as Postgres notes it in the rule.
SELECT w.ev_class::bigint, w.ev_type::text, used[1]::bigint, bit_or(used[2]::integer)
FROM pg_catalog.pg_rewrite w
CROSS JOIN LATERAL regexp_matches(w.ev_action::text, ':relid (\d+)[^{}]*?:requiredPerms (\d+)', 'g') AS used
WHERE w.ev_type <> '1' AND used[2] <> '0' AND used[1]::oid <> w.ev_class
GROUP BY 1, 2, 3;

-- name: trigger_functions
-- Which function runs as rows of which relation are written.
SELECT DISTINCT t.tgfoid::bigint, t.tgrelid::bigint FROM pg_catalog.pg_trigger t WHERE NOT t.tgisinternal;

-- name: cascades
-- Tables whose rows change, as their owner does it, when a row of another goes (d) or its key changes (w).
SELECT c.conrelid::bigint, c.confrelid::bigint, k.command
FROM pg_catalog.pg_constraint c
CROSS JOIN LATERAL (VALUES ('d', c.confdeltype), ('w', c.confupdtype)) AS k(command, action)
WHERE c.contype = 'f' AND k.action IN ('c', 'n', 'd');

-- name: search_paths
-- Where names without a schema are looked up, from what counts least: as the server has it, as it is set for all (role 0)
-- or for one login, everywhere and then in this database.
SELECT 0::bigint, CASE s.source WHEN 'configuration file' THEN s.setting ELSE s.boot_val END, 0 AS rank
FROM pg_catalog.pg_settings s WHERE s.name = 'search_path'
UNION ALL
SELECT s.setrole::bigint, substr(one, 13), 1 + (s.setdatabase <> 0)::integer
FROM pg_catalog.pg_db_role_setting s CROSS JOIN LATERAL unnest(s.setconfig) AS one
WHERE one LIKE 'search\_path=%%'
  AND s.setdatabase IN (0, (SELECT d.oid FROM pg_catalog.pg_database d WHERE d.datname = current_database()))
ORDER BY rank;

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

-- name: may_read_more^
-- Whether this login may read the register of people, and see to whom keys were released.
SELECT has_table_privilege('lua.person', 'SELECT') AND has_table_privilege('lua.person_login', 'SELECT'),
       has_function_privilege('vault.releases()', 'EXECUTE') AND has_table_privilege('lua.tenant_directory', 'SELECT');

-- name: people
-- Whose each login is, as far as both are in force.
SELECT l.login::text, p.handle
FROM lua.person_login l JOIN lua.person p ON p.person_id = l.person_id
WHERE l.ended_at IS NULL AND p.ended_at IS NULL ORDER BY l.login;

-- name: sealed
-- Columns that hold sealed values, and the class of the keys that open them.
SELECT a.attrelid::bigint, a.attnum::integer,
       CASE a.attname WHEN 'personal' THEN 'main' WHEN 'medical_record' THEN 'medical-record' ELSE a.attname::text END
FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_class c ON c.oid = a.attrelid
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = 'crm' AND a.atttypid = 'bytea'::regtype AND NOT a.attisdropped
  AND a.attname IN ('personal', 'special', 'accounting', 'medical_record');

-- name: releases
-- Keys that were released and not taken back: to whom, of which tenant and parts of its tree, until when.
SELECT r.release_id, d.slug, r.person, r.parts, r.expires_at
FROM vault.releases() r JOIN lua.tenant_directory d ON d.tenant_id = r.tenant_id
WHERE r.ended_at IS NULL ORDER BY r.release_id;
