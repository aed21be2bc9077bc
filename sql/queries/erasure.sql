-- name: subject^
-- Whether a subject lives, and since when it does not.
SELECT status, erased_at
FROM crm.subject
WHERE tenant_id = :tenant_id::bigint AND subject_id = :subject_id::uuid;

-- name: lock_subject^
-- Waits for every writer of the subject's rows, and keeps new ones out until the end of the transaction.
SELECT status
FROM crm.subject
WHERE tenant_id = :tenant_id::bigint AND subject_id = :subject_id::uuid
FOR UPDATE;

-- name: counts^
-- How many rows of the subject an erasure takes: contacts, external ids, interactions.
SELECT
    (SELECT count(*) FROM crm.contact WHERE tenant_id = :tenant_id::bigint AND subject_id = :subject_id::uuid),
    (SELECT count(*) FROM crm.contact_key WHERE tenant_id = :tenant_id::bigint AND subject_id = :subject_id::uuid),
    (SELECT count(*) FROM crm.interaction WHERE tenant_id = :tenant_id::bigint AND subject_id = :subject_id::uuid);

-- name: invoices
-- Invoices and lines of the subject per year of issue, hidden ones included: counts only.
SELECT retention_period, invoices, lines, retained
FROM crm.invoices_of(:tenant_id::bigint, :subject_id::uuid);

-- name: visible_invoices$
-- How many invoices of the subject this login sees.
SELECT count(*)
FROM crm.invoice
WHERE tenant_id = :tenant_id::bigint AND subject_id = :subject_id::uuid;

-- name: is_accounting$
-- Whether this login may see what only a duty keeps.
SELECT pg_has_role(current_user, 'lua_accounting', 'USAGE');

-- name: slots
-- Living keys of the subject.
SELECT key_class, version, slot_no
FROM vault.slot
WHERE tenant_id = :tenant_id::bigint AND subject_id = :subject_id::uuid
ORDER BY key_class, version;

-- name: delete_contacts!
-- Deletes who the subject is.
DELETE FROM crm.contact
WHERE tenant_id = :tenant_id::bigint AND subject_id = :subject_id::uuid;

-- name: delete_contact_keys!
-- Deletes the digests of the subject's external ids.
DELETE FROM crm.contact_key
WHERE tenant_id = :tenant_id::bigint AND subject_id = :subject_id::uuid;

-- name: delete_interactions!
-- Deletes what passed between tenant and subject.
DELETE FROM crm.interaction
WHERE tenant_id = :tenant_id::bigint AND subject_id = :subject_id::uuid;

-- name: mark_erased$
-- Keeps the subject's row, without anything personal, so that nothing can be written for it again; returns how many.
SELECT crm.mark_erased(:tenant_id::bigint, :subject_id::uuid, :at::timestamptz);

-- name: retain_invoices$
-- Hides the subject's invoices from everybody but bookkeeping; returns how many.
SELECT crm.retain_invoices(:tenant_id::bigint, ARRAY[:subject_id::uuid], :at::timestamptz);

-- name: insert_erasure!
-- Leaves the intent of an erasure, with the epoch that drops the keys.
INSERT INTO lua.erasure
    (tenant_id, erasure_id, subject_id, instruction, requested_by, state, epoch, plan, created_at)
VALUES
    (:tenant_id::bigint, :erasure_id::uuid, :subject_id::uuid, :instruction::text, session_user, 'intent',
     :epoch::bigint, :plan::jsonb, :at::timestamptz);

-- name: finish_erasure!
-- Writes down what came of an erasure.
UPDATE lua.erasure
SET state = 'done', result = :result::jsonb, completed_at = :at::timestamptz
WHERE tenant_id = :tenant_id::bigint AND erasure_id = :erasure_id::uuid AND state = 'intent';

-- name: erasure_of_subject^
-- The erasure of a subject.
SELECT erasure_id, subject_id, instruction, requested_by, state, epoch, plan, result, created_at, completed_at
FROM lua.erasure
WHERE tenant_id = :tenant_id::bigint AND subject_id = :subject_id::uuid;

-- name: erasure^
-- One erasure.
SELECT erasure_id, subject_id, instruction, requested_by, state, epoch, plan, result, created_at, completed_at
FROM lua.erasure
WHERE tenant_id = :tenant_id::bigint AND erasure_id = :erasure_id::uuid;

-- name: erasures
-- The erasures of a tenant, newest first.
SELECT erasure_id, subject_id, instruction, requested_by, state, epoch, plan, result, created_at, completed_at
FROM lua.erasure
WHERE tenant_id = :tenant_id::bigint
ORDER BY erasure_id DESC
LIMIT nullif(:limit::bigint, 0);

-- name: unfinished
-- Erasures and purges of all tenants that were begun and not finished, oldest first.
SELECT kind, tenant, id, since
FROM lua.unfinished();

-- name: tenant_of_erasure$
-- Which tenant an erasure belongs to.
SELECT lua.tenant_of_erasure(:erasure_id::uuid);

-- name: system^
-- Which cluster, database and tree this is.
SELECT
    (SELECT system_identifier FROM pg_control_system())::text,
    current_database()::text,
    tree_id,
    epoch
FROM vault.tree;
