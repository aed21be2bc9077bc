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
-- How many rows of each kind a tenant has; invoices that only a duty keeps are counted too.
SELECT (SELECT count(*) FROM crm.subject WHERE tenant_id = :tenant_id::bigint AND status = 'active'),
       (SELECT count(*) FROM crm.subject WHERE tenant_id = :tenant_id::bigint AND status = 'erased'),
       (SELECT count(*) FROM crm.contact WHERE tenant_id = :tenant_id::bigint),
       (SELECT count(*) FROM crm.interaction WHERE tenant_id = :tenant_id::bigint),
       (SELECT coalesce(sum(invoices), 0) FROM crm.invoices_due(:tenant_id::bigint, 10000));

-- name: key_counts^
-- How many keys of a tenant's subtree are claimed: of subjects, of subjects under a duty, of periods.
SELECT (SELECT count(*) FROM vault.slot WHERE tenant_id = :tenant_id::bigint AND key_class IN (1, 2)),
       (SELECT count(*) FROM vault.slot WHERE tenant_id = :tenant_id::bigint AND key_class NOT IN (1, 2)),
       (SELECT count(*) FROM vault.period WHERE tenant_id = :tenant_id::bigint);
