-- name: contact_count$
-- How many contacts a tenant has; the width of new blind indexes follows from it.
SELECT count(*) FROM crm.contact WHERE tenant_id = :tenant_id::bigint;

-- name: known_digests
-- Which of these digests of external ids are taken, and by whom.
SELECT digest, subject_id FROM crm.contact_key
WHERE tenant_id = :tenant_id::bigint AND digest = ANY (:digests::bytea[]);

-- name: insert_subjects!
-- New people; their ledger references are made when they are first needed.
INSERT INTO crm.subject (tenant_id, subject_id, entry_id, created_at, updated_at)
SELECT :tenant_id::bigint, s, :entry_id::uuid, :at::timestamptz, :at::timestamptz
FROM unnest(:subject_ids::uuid[]) AS s;

-- name: insert_contacts!
-- Sealed contacts; sets of index values come as the text form of integer[], which unnest cannot carry ragged.
INSERT INTO crm.contact (tenant_id, contact_id, subject_id, personal, index_version, email_index, phone_index,
                         name_index, entry_id, created_at, updated_at)
SELECT :tenant_id::bigint, c.contact_id, c.subject_id, c.personal, :index_version::smallint, c.email,
       c.phones::integer[], c.names::integer[], :entry_id::uuid, :at::timestamptz, :at::timestamptz
FROM unnest(:contact_ids::uuid[], :subject_ids::uuid[], :personals::bytea[], :emails::integer[], :phones::text[],
            :names::text[]) AS c (contact_id, subject_id, personal, email, phones, names);

-- name: insert_contact_keys!
-- Digests of external ids, in one order for all writers so that two imports never wait for each other in a circle.
INSERT INTO crm.contact_key (tenant_id, digest, subject_id)
SELECT :tenant_id::bigint, k.digest, k.subject_id
FROM unnest(:digests::bytea[], :subject_ids::uuid[]) AS k (digest, subject_id) ORDER BY k.digest;

-- name: list_contacts
-- Contacts of living people, in the order in which they came.
SELECT c.contact_id, c.subject_id, c.personal, c.created_at
FROM crm.contact c JOIN crm.subject s ON s.tenant_id = c.tenant_id AND s.subject_id = c.subject_id
WHERE c.tenant_id = :tenant_id::bigint AND s.tenant_id = :tenant_id::bigint AND s.status = 'active'
ORDER BY c.contact_id LIMIT :limit::bigint;

-- name: contacts_after
-- The next contacts after one of them, in the order in which they came; null: the first. No join, so that a page costs
-- the same in every list: contacts of erased people are gone, and would not open.
SELECT contact_id, subject_id, personal, created_at
FROM crm.contact
WHERE tenant_id = :tenant_id::bigint
  AND contact_id > coalesce(:after::uuid, '00000000-0000-0000-0000-000000000000')
ORDER BY tenant_id, contact_id LIMIT :limit::bigint;

-- name: contacts_before
-- The contacts before one of them, the nearest first; null: the last.
SELECT contact_id, subject_id, personal, created_at
FROM crm.contact
WHERE tenant_id = :tenant_id::bigint
  AND contact_id < coalesce(:before::uuid, 'ffffffff-ffff-ffff-ffff-ffffffffffff')
ORDER BY tenant_id DESC, contact_id DESC LIMIT :limit::bigint;

-- name: count_contacts$
-- How many contacts a tenant has; those of erased people are gone.
SELECT count(*) FROM crm.contact WHERE tenant_id = :tenant_id::bigint;

-- name: contacts_of
-- Contacts of some living people.
SELECT c.contact_id, c.subject_id, c.personal, c.created_at
FROM crm.contact c JOIN crm.subject s ON s.tenant_id = c.tenant_id AND s.subject_id = c.subject_id
WHERE c.tenant_id = :tenant_id::bigint AND s.tenant_id = :tenant_id::bigint AND s.status = 'active'
  AND c.subject_id = ANY (:subject_ids::uuid[])
ORDER BY c.contact_id;

-- name: known_interactions
-- Which of these ids of interactions are there already.
SELECT interaction_id FROM crm.interaction
WHERE tenant_id = :tenant_id::bigint AND interaction_id = ANY (:interaction_ids::uuid[]);

-- name: insert_interactions!
-- Sealed interactions.
INSERT INTO crm.interaction (tenant_id, interaction_id, subject_id, kind, occurred_at, retention_period, personal,
                             entry_id, created_at)
SELECT :tenant_id::bigint, i.interaction_id, i.subject_id, i.kind, i.occurred_at, i.retention_period, i.personal,
       :entry_id::uuid, :at::timestamptz
FROM unnest(:interaction_ids::uuid[], :subject_ids::uuid[], :kinds::text[], :moments::timestamptz[],
            :periods::integer[], :personals::bytea[])
     AS i (interaction_id, subject_id, kind, occurred_at, retention_period, personal);

-- name: list_interactions
-- Interactions of living people, of one person if one is given, latest first.
SELECT i.interaction_id, i.subject_id, i.kind, i.occurred_at, i.personal
FROM crm.interaction i JOIN crm.subject s ON s.tenant_id = i.tenant_id AND s.subject_id = i.subject_id
WHERE i.tenant_id = :tenant_id::bigint AND s.tenant_id = :tenant_id::bigint AND s.status = 'active'
  AND (:subject_id::uuid IS NULL OR i.subject_id = :subject_id::uuid)
ORDER BY i.occurred_at DESC, i.interaction_id LIMIT :limit::bigint;

-- name: taken_numbers
-- Which of these invoice numbers are taken, those that only bookkeeping sees included.
SELECT number FROM crm.taken_numbers(:tenant_id::bigint, :numbers::text[]) AS number;

-- name: insert_invoices!
-- Invoices with their sealed billing party, in one order for all writers.
INSERT INTO crm.invoice (tenant_id, invoice_id, subject_id, number, issued_on, currency, total, retention_period,
                         accounting, entry_id, created_at)
SELECT :tenant_id::bigint, i.invoice_id, i.subject_id, i.number, i.issued_on, i.currency, i.total,
       i.retention_period, i.accounting, :entry_id::uuid, :at::timestamptz
FROM unnest(:invoice_ids::uuid[], :subject_ids::uuid[], :numbers::text[], :dates::date[], :currencies::text[],
            :totals::numeric[], :periods::integer[], :accountings::bytea[])
     AS i (invoice_id, subject_id, number, issued_on, currency, total, retention_period, accounting)
ORDER BY i.number;

-- name: insert_lines!
-- Lines of invoices with their sealed descriptions.
INSERT INTO crm.invoice_line (tenant_id, invoice_id, line_no, quantity, unit_price, accounting)
SELECT :tenant_id::bigint, l.invoice_id, l.line_no, l.quantity, l.unit_price, l.accounting
FROM unnest(:invoice_ids::uuid[], :line_nos::integer[], :quantities::numeric[], :prices::numeric[],
            :accountings::bytea[]) AS l (invoice_id, line_no, quantity, unit_price, accounting);

-- name: list_invoices
-- Invoices without their sealed part, latest first; row security hides what only bookkeeping may see.
SELECT i.invoice_id, i.subject_id, i.number, i.issued_on, i.currency, i.total, i.retained_at,
       (SELECT count(*) FROM crm.invoice_line l
        WHERE l.tenant_id = :tenant_id::bigint AND l.invoice_id = i.invoice_id) AS lines
FROM crm.invoice i WHERE i.tenant_id = :tenant_id::bigint
  AND (:subject_id::uuid IS NULL OR i.subject_id = :subject_id::uuid)
ORDER BY i.issued_on DESC, i.number DESC LIMIT :limit::bigint;

-- name: sealed_parties
-- The sealed billing parties of some invoices, for bookkeeping.
SELECT invoice_id, subject_id, accounting FROM crm.invoice
WHERE tenant_id = :tenant_id::bigint AND invoice_id = ANY (:invoice_ids::uuid[]);

-- name: opens_contacts$
-- Whether this login may read the sealed part of contacts at all.
SELECT has_column_privilege('crm.contact', 'personal', 'SELECT');
