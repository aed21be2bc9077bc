-- name: new_numbers^
-- Takes ids of pooled and dedicated tenants and as many consecutive numbers in the key tree. The commit need not wait
-- for the disk: the tenant's own commit does, and comes later in the same log.
SELECT ARRAY(SELECT nextval('lua.pooled_tenant') FROM generate_series(1, :pooled::integer)),
       ARRAY(SELECT lua.next_dedicated() FROM generate_series(1, :dedicated::integer)),
       vault.claim(0::bigint, 0::smallint, :pooled::bigint + :dedicated::bigint),
       set_config('synchronous_commit', 'off', true);

-- name: make_roles$
-- The login and the staff role of a new dedicated tenant; who creates it becomes its staff.
SELECT lua.make_tenant_roles(:tenant_id::bigint, :at::timestamptz);

-- name: require_bound$
-- An error unless whoever asks is bound to confidentiality, as whoever creates a dedicated tenant must be.
SELECT lua.require_bound(session_user::name, :at::timestamptz);

-- name: make_partitions$
-- A new dedicated tenant's partitions. Until the transaction ends nobody else reads or writes the tables.
SELECT lua.make_tenant_partitions(:tenant_id::bigint);

-- name: own_roles
-- The roles of a dedicated tenant that are there.
SELECT rolname::text FROM pg_catalog.pg_roles
WHERE rolname IN ('lua_t' || :tenant_id::bigint, 'lua_t' || :tenant_id::bigint || '_staff')
ORDER BY 1;

-- name: may_drop_own$
-- Whether this login may drop partitions and roles of dedicated tenants that end.
SELECT has_function_privilege('lua.drop_tenant_partitions(bigint)', 'EXECUTE')
       AND has_function_privilege('lua.drop_tenant_roles(bigint)', 'EXECUTE');

-- name: drop_partitions$
-- Drops the empty partitions of a dedicated tenant that ends. Until the transaction ends nobody else reads the tables.
SELECT lua.drop_tenant_partitions(:tenant_id::bigint);

-- name: drop_roles$
-- Drops login and staff role of a dedicated tenant that ends: what is left of it shows to nobody from then on.
SELECT lua.drop_tenant_roles(:tenant_id::bigint);

-- name: set_verifier$
-- Sets the SCRAM verifier of a dedicated tenant's own login.
SELECT lua.set_tenant_verifier(:tenant_id::bigint, :verifier::text, :at::timestamptz);

-- name: admit$
-- Lets a login work on a dedicated tenant; whether that changed anything.
SELECT lua.admit_staff(:tenant_id::bigint, :login::text, :at::timestamptz);

-- name: dismiss$
-- Takes it back; whether that changed anything.
SELECT lua.dismiss_staff(:tenant_id::bigint, :login::text);

-- name: staff
-- The logins that a dedicated tenant's staff role lets in, however they came to it; no superusers, who need no role.
SELECT r.rolname::text
FROM pg_catalog.pg_roles r
WHERE r.rolcanlogin AND NOT r.rolsuper
  AND pg_has_role(r.oid, to_regrole('lua_t' || :tenant_id::bigint || '_staff'), 'MEMBER')
ORDER BY 1;

-- name: open_to_me
-- Which of these tenants' rows show to this login in their context.
SELECT t.id
FROM unnest(:tenant_ids::bigint[]) AS t (id)
WHERE CASE WHEN session_user ~ '^lua_e[0-9]' THEN session_user ~ ('^lua_e' || t.id || '_')
           WHEN t.id < 1099511627776 THEN session_user !~ '^lua_t[0-9]'
           ELSE session_user = 'lua_t' || t.id
                OR pg_has_role(session_user, to_regrole('lua_t' || t.id || '_staff'), 'MEMBER') END;

-- name: partitions
-- The partitions that hold a dedicated tenant's rows and nobody else's, with their bytes on disk, indexes included.
SELECT c.oid::regclass::text, pg_total_relation_size(c.oid)
FROM pg_catalog.pg_inherits i JOIN pg_catalog.pg_class c ON c.oid = i.inhrelid
JOIN pg_catalog.pg_partitioned_table p ON p.partrelid = i.inhparent AND p.partstrat = 'l'
WHERE pg_get_expr(c.relpartbound, c.oid) = format('FOR VALUES IN (''%%s'')', :tenant_id::bigint)
ORDER BY 1;

-- name: directory
-- Where slugs lead: tenant id and number in the key tree.
SELECT slug, tenant_id, key_no
FROM lua.tenant_directory
WHERE slug = ANY (:slugs::text[]);

-- name: slugs
-- All slugs, for a hint about the one that was meant.
SELECT slug
FROM lua.tenant_directory
ORDER BY slug;

-- name: insert_tenant!
-- A tenant with its slug, roles, deletion rules and first instruction, in one statement: it begins whole.
-- Permissions of a role are one string with spaces between.
WITH directory AS (
    INSERT INTO lua.tenant_directory (tenant_id, slug, key_no)
    VALUES (:tenant_id::bigint, :slug::text, :key_no::bigint)
), tenant AS (
    INSERT INTO lua.tenant (tenant_id, slug, name, country, contact, isolation, created_at, updated_at)
    VALUES (:tenant_id::bigint, :slug::text, :name::text, :country::text, :contact::text, :isolation::text,
            :at::timestamptz, :at::timestamptz)
), role AS (
    INSERT INTO crm.role (tenant_id, role, permissions)
    SELECT :tenant_id::bigint, r.role, string_to_array(r.permissions, ' ')
    FROM unnest(:roles::text[], :permissions::text[]) AS r (role, permissions)
), rule AS (
    INSERT INTO lua.retention_rule
        (tenant_id, retention_class, starting_point, months, minimum_months, basis, updated_at)
    SELECT :tenant_id::bigint, r.retention_class, r.starting_point, r.months, r.minimum_months, r.basis,
           :at::timestamptz
    FROM unnest(:classes::text[], :starting_points::text[], :months::integer[], :minimum_months::integer[],
                :bases::text[]) AS r (retention_class, starting_point, months, minimum_months, basis)
)
INSERT INTO lua.instruction (tenant_id, instruction_id, reference, purpose, given_by, valid_from, valid_until)
VALUES (:tenant_id::bigint, :instruction_id::uuid, :reference::text, :purpose::text, :given_by::text,
        :valid_from::timestamptz, :valid_until::timestamptz);

-- name: all_tenants
-- Every tenant, oldest first.
SELECT tenant_id, slug, name, country, contact, isolation, status, reason, created_at, updated_at
FROM lua.tenants();

-- name: tenants_of
-- The tenants of some slugs, dedicated ones included.
SELECT tenant_id, slug, name, country, contact, isolation, status, reason, created_at, updated_at
FROM lua.tenants()
WHERE slug = ANY (:slugs::text[]);

-- name: tenant^
-- One tenant, seen in its own context.
SELECT tenant_id, slug, name, country, contact, isolation, status, reason, created_at, updated_at
FROM lua.tenant
WHERE tenant_id = :tenant_id::bigint;

-- name: lock_tenant^
-- One tenant, kept from changing until the transaction ends.
SELECT tenant_id, slug, name, country, contact, isolation, status, reason, created_at, updated_at
FROM lua.tenant
WHERE tenant_id = :tenant_id::bigint
FOR UPDATE;

-- name: set_status!
-- Moves a tenant between active and suspended; any other state stays as it is.
UPDATE lua.tenant
SET status = :status::text, reason = :reason::text, updated_at = :at::timestamptz
WHERE tenant_id = :tenant_id::bigint AND status IN ('active', 'suspended');

-- name: roles
-- The roles that a tenant gives to its own users.
SELECT role, permissions
FROM crm.role
WHERE tenant_id = :tenant_id::bigint
ORDER BY role;

-- name: rules
-- The deletion rules of a tenant.
SELECT retention_class, starting_point, months, minimum_months, basis
FROM lua.retention_rule
WHERE tenant_id = :tenant_id::bigint
ORDER BY retention_class;

-- name: counts^
-- How many rows of each kind a tenant has; invoices and lines that only a duty keeps are counted too.
SELECT (SELECT count(*) FROM crm.subject WHERE tenant_id = :tenant_id::bigint AND status = 'active'),
       (SELECT count(*) FROM crm.subject WHERE tenant_id = :tenant_id::bigint AND status = 'erased'),
       (SELECT count(*) FROM crm.contact WHERE tenant_id = :tenant_id::bigint),
       (SELECT count(*) FROM crm.interaction WHERE tenant_id = :tenant_id::bigint),
       i.invoices, i.lines,
       (SELECT count(*) FROM crm.contact_key WHERE tenant_id = :tenant_id::bigint)
FROM (SELECT coalesce(sum(invoices), 0) AS invoices, coalesce(sum(lines), 0) AS lines
      FROM crm.invoices_due(:tenant_id::bigint, 10000)) AS i;

-- name: key_counts^
-- How many keys of a tenant's subtree live: of subjects, of subjects under a duty, of periods; how many were dropped.
SELECT (SELECT count(*) FROM vault.slot WHERE tenant_id = :tenant_id::bigint AND key_class IN (1, 2)),
       (SELECT count(*) FROM vault.slot WHERE tenant_id = :tenant_id::bigint AND key_class NOT IN (1, 2)),
       (SELECT count(*) FROM vault.period WHERE tenant_id = :tenant_id::bigint),
       (SELECT count(*) FROM vault.tombstone WHERE tenant_id = :tenant_id::bigint);

-- name: newest_entry^
-- The newest entry about a tenant, of those that the login may read.
SELECT at, action, actor
FROM ledger.entry
WHERE tenant_id = :tenant_id::bigint
ORDER BY at DESC, id DESC
LIMIT 1;

-- name: open_work
-- Erasures, purges and the end of a tenant that were begun and not finished, and notices of before an instant that nobody
-- confirmed; oldest first.
SELECT 'erasure', erasure_id, created_at FROM lua.erasure WHERE tenant_id = :tenant_id::bigint AND state = 'intent'
UNION ALL
SELECT 'purge', purge_id, created_at FROM lua.purge WHERE tenant_id = :tenant_id::bigint AND state = 'intent'
UNION ALL
SELECT 'termination', termination_id, coalesce(begun_at, erase_from)
FROM lua.termination WHERE tenant_id = :tenant_id::bigint AND state = 'intent'
UNION ALL
SELECT 'notice', notice_id, created_at FROM lua.processor_notice
WHERE tenant_id = :tenant_id::bigint AND confirmed_at IS NULL AND created_at <= :before::timestamptz
ORDER BY 3, 2;

-- name: open_requests^
-- How many requests of data subjects a tenant has that are open, and how many of them are past their last day.
SELECT count(*), count(*) FILTER (WHERE coalesce(extended_on, due_on) < :today::date)
FROM lua.request
WHERE tenant_id = :tenant_id::bigint AND closed_at IS NULL;

-- name: table_sizes
-- Of each table, or of the partition that holds the tenant, the bytes on disk, indexes included, and the rows that
-- Postgres believes to be in it: their density when last counted times the pages of now; null before the first count.
-- A partition of the tenant's own is its own to the last byte.
SELECT t.name, pg_total_relation_size(c.oid),
       (c.reltuples / nullif(c.relpages, 0)
        * (pg_relation_size(c.oid) / current_setting('block_size')::integer))::double precision,
       c.oid IS NOT DISTINCT FROM own.oid
FROM unnest(:tables::text[]) WITH ORDINALITY AS t (name, no)
LEFT JOIN LATERAL (
    SELECT p.oid FROM pg_catalog.pg_inherits i JOIN pg_catalog.pg_class p ON p.oid = i.inhrelid
    WHERE i.inhparent = t.name::regclass
      AND pg_get_expr(p.relpartbound, p.oid) = format('FOR VALUES IN (''%%s'')', :tenant_id::bigint)
) AS own ON true
LEFT JOIN pg_catalog.pg_partitioned_table q ON q.partrelid = t.name::regclass
JOIN pg_catalog.pg_class c ON c.oid = coalesce(own.oid, q.partdefid, t.name::regclass)
ORDER BY t.no;

-- name: faults
-- What the isolation of dedicated tenants lacks, and what mends it: roles, partitions, their row security and foreign
-- keys; and what stands on them that should not. A null slug speaks of the pooled tenants' partition.
WITH tenant AS (
    SELECT t.tenant_id, t.slug, 'lua_t' || t.tenant_id AS own, 'lua_t' || t.tenant_id || '_staff' AS staff
    FROM lua.tenants() AS t WHERE t.isolation = 'dedicated' AND t.status <> 'terminated'
), parent AS (
    SELECT p.partrelid::regclass AS parent, p.partdefid AS pooled
    FROM pg_catalog.pg_partitioned_table p JOIN pg_catalog.pg_class c ON c.oid = p.partrelid
    WHERE p.partstrat = 'l' AND c.relnamespace = 'crm'::regnamespace
), part AS (
    SELECT t.tenant_id, t.slug, q.parent, q.pooled, own.oid
    FROM tenant t CROSS JOIN parent q
    LEFT JOIN LATERAL (SELECT c.oid FROM pg_catalog.pg_inherits i JOIN pg_catalog.pg_class c ON c.oid = i.inhrelid
                       WHERE i.inhparent = q.parent
                         AND pg_get_expr(c.relpartbound, c.oid) = format('FOR VALUES IN (''%%s'')', t.tenant_id)) AS own ON true
    UNION ALL
    SELECT NULL, NULL, q.parent, q.pooled, q.pooled FROM parent q
), policies AS (
    SELECT p.polrelid AS oid, array_agg(concat_ws(' ', p.polname, p.polpermissive, p.polcmd, p.polroles::text,
               pg_get_expr(p.polqual, p.polrelid), pg_get_expr(p.polwithcheck, p.polrelid)) ORDER BY p.polname) AS said
    FROM pg_catalog.pg_policy p GROUP BY p.polrelid
)
SELECT t.slug, format('the role %%s is missing', r.name), format('SELECT lua.make_tenant_roles(%%s)', t.tenant_id)
FROM tenant t CROSS JOIN LATERAL (VALUES (t.own), (t.staff)) AS r (name) WHERE to_regrole(r.name) IS NULL
UNION ALL
SELECT t.slug, format('%%s is not as it was made: a login with no attributes', r.rolname),
       format('ALTER ROLE %%I LOGIN INHERIT NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS', r.rolname)
FROM tenant t JOIN pg_catalog.pg_roles r ON r.rolname = t.own
WHERE NOT r.rolcanlogin OR NOT r.rolinherit OR r.rolsuper OR r.rolcreatedb OR r.rolcreaterole OR r.rolreplication OR r.rolbypassrls
UNION ALL
SELECT t.slug, format('%%s is not as it was made: no login, no attributes', r.rolname),
       format('ALTER ROLE %%I NOLOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS', r.rolname)
FROM tenant t JOIN pg_catalog.pg_roles r ON r.rolname = t.staff
WHERE r.rolcanlogin OR r.rolsuper OR r.rolcreatedb OR r.rolcreaterole OR r.rolreplication OR r.rolbypassrls
UNION ALL
SELECT t.slug, format('%%s is no member of lua_app', r.rolname), format('GRANT lua_app TO %%I', r.rolname)
FROM tenant t JOIN pg_catalog.pg_roles r ON r.rolname = t.own WHERE NOT pg_has_role(r.oid, 'lua_app', 'USAGE')
UNION ALL
SELECT t.slug, format('%%s is a member of %%s', r.rolname, m.roleid::regrole), format('REVOKE %%s FROM %%I', m.roleid::regrole, r.rolname)
FROM tenant t JOIN pg_catalog.pg_roles r ON r.rolname IN (t.own, t.staff) JOIN pg_catalog.pg_auth_members m ON m.member = r.oid
WHERE NOT (r.rolname = t.own AND m.roleid = 'lua_app'::regrole)
UNION ALL
SELECT t.slug, format('%%s is a member of %%s, with all that it carries', m.member::regrole, t.staff),
       format('REVOKE %%I FROM %%s', t.staff, m.member::regrole)
FROM tenant t JOIN pg_catalog.pg_auth_members m ON m.roleid = to_regrole(t.staff)
WHERE m.member::regrole::text ~ '^lua_' AND m.member <> 'lua_rolekeeper'::regrole
UNION ALL
SELECT p.slug, format('there is no partition of %%s for it alone', p.parent), format('SELECT lua.make_tenant_partitions(%%s)', p.tenant_id)
FROM part p WHERE p.oid IS NULL
UNION ALL
SELECT p.slug, format('the row security of %%s is not that of %%s', c.oid::regclass, p.parent),
       format('compare pg_policies of both; ALTER TABLE %%s ENABLE, FORCE ROW LEVEL SECURITY', c.oid::regclass)
FROM part p JOIN pg_catalog.pg_class c ON c.oid = p.oid
LEFT JOIN policies here ON here.oid = c.oid LEFT JOIN policies above ON above.oid = p.parent
WHERE NOT (c.relrowsecurity AND c.relforcerowsecurity) OR here.said IS DISTINCT FROM above.said
UNION ALL
SELECT p.slug, format('%%s lacks the foreign key %%s', p.oid::regclass, k.conname),
       format('add it as on %%s, to the tenant''s own partition', p.pooled::regclass)
FROM part p JOIN pg_catalog.pg_constraint k ON k.conrelid = p.pooled AND k.contype = 'f'
WHERE p.oid IS NOT NULL
  AND NOT EXISTS (SELECT FROM pg_catalog.pg_constraint o WHERE o.conrelid = p.oid AND o.contype = 'f' AND o.conname = k.conname)
UNION ALL
SELECT DISTINCT p.slug, format('%%s has rights on %%s itself', x.grantee::regrole, c.oid::regclass),
       format('REVOKE ALL ON %%s FROM %%s', c.oid::regclass, x.grantee::regrole)
FROM part p JOIN pg_catalog.pg_class c ON c.oid = p.oid CROSS JOIN LATERAL aclexplode(c.relacl) AS x WHERE x.grantee <> c.relowner
UNION ALL
SELECT t.slug, format('it has ended, and its login %%s is there', r.rolname), format('SELECT lua.drop_tenant_roles(%%s)', t.tenant_id)
FROM lua.tenants() AS t JOIN pg_catalog.pg_roles r ON r.rolname = 'lua_t' || t.tenant_id WHERE t.status = 'terminated'
UNION ALL
SELECT NULL, format('%%s takes rows of dedicated tenants too', q.pooled::regclass),
       format('ALTER TABLE %%s ADD CONSTRAINT pooled CHECK (tenant_id < 1099511627776)', q.pooled::regclass)
FROM parent q
WHERE q.pooled = 0 OR NOT EXISTS (SELECT FROM pg_catalog.pg_constraint k WHERE k.conrelid = q.pooled AND k.contype = 'c' AND k.convalidated
                                    AND pg_get_constraintdef(k.oid) = 'CHECK ((tenant_id < ''1099511627776''::bigint))')
ORDER BY 1, 2;
