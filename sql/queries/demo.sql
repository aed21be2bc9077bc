-- The demo's independent queries: asked of Postgres by its superuser, past everything that luactl does.

-- name: provisioned^
-- What tenant creation is to leave behind.
SELECT (SELECT count(*) FROM lua.tenant), (SELECT count(*) FROM crm.role), (SELECT count(*) FROM lua.retention_rule),
       (SELECT count(*) FROM lua.instruction),
       (SELECT count(*) FROM ledger.entry WHERE action = 'tenant.create' AND outcome = 'done');

-- name: unforced$
-- Tenant tables on which row security does not bind even their owner.
SELECT count(*) FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'tenant_id'
WHERE c.relnamespace = 'crm'::regnamespace AND c.relkind IN ('r', 'p')
  AND NOT (c.relrowsecurity AND c.relforcerowsecurity);

-- name: stored^
-- Rows of the CRM over all tenants.
SELECT (SELECT count(*) FROM crm.contact), (SELECT count(*) FROM crm.interaction),
       (SELECT count(*) FROM crm.invoice), (SELECT count(*) FROM crm.invoice_line);

-- name: readable$
-- Contacts, interactions and invoices in whose bytes a text can be found.
SELECT count(*) FROM (
    SELECT personal FROM crm.contact UNION ALL SELECT personal FROM crm.interaction
    UNION ALL SELECT accounting FROM crm.invoice UNION ALL SELECT accounting FROM crm.invoice_line
) AS sealed(bytes) WHERE position(convert_to(:text::text, 'UTF8') IN bytes) > 0;

-- name: told_in_ledger$
-- Ledger entries in whose bodies a text can be found.
SELECT count(*) FROM ledger.entry WHERE position(convert_to(:text::text, 'UTF8') IN body) > 0;

-- name: entries$
-- Entries of an action.
SELECT count(*) FROM ledger.entry WHERE action = :action::text;

-- name: contacts_by_tenant
-- Contacts that the current role sees in the current context, by tenant.
SELECT tenant_id, count(*) FROM crm.contact GROUP BY tenant_id ORDER BY tenant_id;

-- name: interactions_before$
-- Interactions older than an instant.
SELECT count(*) FROM crm.interaction WHERE occurred_at < :before::timestamptz;

-- name: rows_of_subject^
-- Rows that speak of one person.
SELECT (SELECT count(*) FROM crm.contact WHERE subject_id = :subject::uuid)
       + (SELECT count(*) FROM crm.contact_key WHERE subject_id = :subject::uuid),
       (SELECT count(*) FROM crm.interaction WHERE subject_id = :subject::uuid),
       (SELECT count(*) FROM crm.invoice WHERE subject_id = :subject::uuid);

-- name: nodes
-- Every key node as it stands.
SELECT path, version, blob FROM vault.node;

-- name: claims
-- Where the keys of a person and of the periods of a tenant hang.
SELECT 'subject', key_class::bigint, slot_no FROM vault.slot WHERE subject_id = :subject::uuid
UNION ALL SELECT 'period', period_id, slot_no FROM vault.period WHERE tenant_id = :tenant_id::bigint;

-- name: sealed_of_subject
-- Every sealed value of a person, with what it is bound to.
SELECT 'crm.contact', 'personal', contact_id::text, personal FROM crm.contact WHERE subject_id = :subject::uuid
UNION ALL
SELECT 'crm.interaction', 'personal', interaction_id::text, personal FROM crm.interaction
WHERE subject_id = :subject::uuid
UNION ALL
SELECT 'crm.invoice', 'accounting', invoice_id::text, accounting FROM crm.invoice WHERE subject_id = :subject::uuid;

-- name: tree^
-- The tree's name and where a tenant hangs in it.
SELECT t.tree_id, d.tenant_id, d.key_no FROM vault.tree t, lua.tenant_directory d WHERE d.slug = :slug::text;

-- name: falsify!
-- What a superuser might do to the ledger: an entry says that somebody else did it.
UPDATE ledger.entry
SET actor = 'somebody-else', body = convert_to(replace(convert_from(body, 'UTF8'),
    '"actor":"' || actor || '"', '"actor":"somebody-else"'), 'UTF8')
WHERE action = 'erasure.run';

-- name: entry_bodies
-- The entries of erasures, to be put back after falsify.
SELECT id, actor, body FROM ledger.entry WHERE action = 'erasure.run';

-- name: put_back!
-- Undoes falsify for one entry.
UPDATE ledger.entry SET actor = :actor::text, body = :body::bytea WHERE id = :id::uuid;

-- name: nobodys
-- Logins that belong to nobody in force.
SELECT r.rolname::text FROM pg_roles r
WHERE r.rolcanlogin AND NOT EXISTS (SELECT FROM lua.person_login l JOIN lua.person p ON p.person_id = l.person_id
                                    WHERE l.login = r.rolname AND l.ended_at IS NULL AND p.ended_at IS NULL)
ORDER BY 1;
