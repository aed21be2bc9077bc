-- name: new_numbers^
-- Takes tenant ids and as many consecutive numbers in the key tree. The commit need not wait for the disk: the tenant's
-- own commit does, and comes later in the same log.
SELECT ARRAY(SELECT nextval('lua.pooled_tenant') FROM generate_series(1, :count::integer)),
       vault.claim(0::bigint, 0::smallint, :count::bigint), set_config('synchronous_commit', 'off', true);

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
    INSERT INTO lua.tenant (tenant_id, slug, name, country, contact, created_at, updated_at)
    VALUES (:tenant_id::bigint, :slug::text, :name::text, :country::text, :contact::text,
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
-- Erasures and purges of a tenant that were begun and not finished, oldest first.
SELECT 'erasure', erasure_id, created_at FROM lua.erasure WHERE tenant_id = :tenant_id::bigint AND state = 'intent'
UNION ALL
SELECT 'purge', purge_id, created_at FROM lua.purge WHERE tenant_id = :tenant_id::bigint AND state = 'intent'
ORDER BY 3, 2;

-- name: table_sizes
-- Of each table the bytes on disk, indexes and partitions included, and the rows that Postgres believes to be in it:
-- their density when last counted times the pages of now; null before the first count.
SELECT t.name, sum(pg_total_relation_size(c.oid))::bigint,
       sum(c.reltuples / nullif(c.relpages, 0)
           * (pg_relation_size(c.oid) / current_setting('block_size')::integer))::double precision
FROM unnest(:tables::text[]) WITH ORDINALITY AS t (name, no)
JOIN pg_class c ON c.relkind = 'r'
    AND (c.oid = t.name::regclass OR c.oid IN (SELECT p.relid FROM pg_partition_tree(t.name::regclass) AS p))
GROUP BY t.no, t.name
ORDER BY t.no;
