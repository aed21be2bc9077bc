-- name: may^
-- Which sealed columns this login may read and write: contacts, interactions and invoices, those included that only a
-- duty keeps.
SELECT has_column_privilege('crm.contact', 'personal', 'SELECT'),
       has_column_privilege('crm.interaction', 'personal', 'SELECT'),
       has_column_privilege('crm.invoice', 'accounting', 'SELECT') AND pg_has_role('lua_accounting', 'USAGE'),
       has_table_privilege('crm.contact', 'INSERT') AND has_table_privilege('crm.invoice', 'INSERT');

-- name: erased$
-- How many people of a tenant are erased; the number only ever grows.
SELECT count(*) FROM crm.subject WHERE tenant_id = :tenant_id::bigint AND status = 'erased';

-- name: counts^
-- How many rows of each kind there are to hand over.
SELECT (SELECT count(*) FROM crm.subject WHERE tenant_id = :tenant_id::bigint),
       (SELECT count(*) FROM crm.contact WHERE tenant_id = :tenant_id::bigint),
       (SELECT count(*) FROM crm.interaction WHERE tenant_id = :tenant_id::bigint),
       (SELECT count(*) FROM crm.invoice WHERE tenant_id = :tenant_id::bigint),
       (SELECT count(*) FROM crm.invoice_line WHERE tenant_id = :tenant_id::bigint),
       (SELECT count(*) FROM crm.app_user WHERE tenant_id = :tenant_id::bigint),
       (SELECT count(*) FROM crm.user_session WHERE tenant_id = :tenant_id::bigint);

-- name: subjects_after
-- The next people after one of them.
SELECT subject_id, status, created_at, erased_at
FROM crm.subject
WHERE tenant_id = :tenant_id::bigint AND subject_id > :after::uuid
ORDER BY tenant_id, subject_id LIMIT :limit::bigint;

-- name: contacts_after
-- The next contacts after one of them, sealed.
SELECT contact_id, subject_id, personal, created_at, updated_at
FROM crm.contact
WHERE tenant_id = :tenant_id::bigint AND contact_id > :after::uuid
ORDER BY tenant_id, contact_id LIMIT :limit::bigint;

-- name: interactions_after
-- The next interactions after one of them, sealed, with the retention period whose key seals them.
SELECT interaction_id, subject_id, personal, kind, occurred_at, created_at
FROM crm.interaction
WHERE tenant_id = :tenant_id::bigint AND interaction_id > :after::uuid
ORDER BY tenant_id, interaction_id LIMIT :limit::bigint;

-- name: invoices_after
-- The next invoices after one of them, sealed, with the retention period whose key seals them.
SELECT invoice_id, subject_id, accounting, number, issued_on, currency, total, retained_at, created_at
FROM crm.invoice
WHERE tenant_id = :tenant_id::bigint AND invoice_id > :after::uuid
ORDER BY tenant_id, invoice_id LIMIT :limit::bigint;

-- name: users_after
-- The next users after one of them, sealed, with their roles.
SELECT u.user_id, u.subject_id, u.personal, u.state, u.mfa, u.created_at, u.ended_at,
       ARRAY(SELECT r.role FROM crm.user_role r WHERE r.tenant_id = :tenant_id::bigint AND r.user_id = u.user_id ORDER BY r.role)
FROM crm.app_user u
WHERE u.tenant_id = :tenant_id::bigint AND u.user_id > :after::uuid
ORDER BY u.tenant_id, u.user_id LIMIT :limit::bigint;

-- name: sessions_after
-- The next sessions of users after one of them; one that is open ends when it was last used.
SELECT s.session_id, u.subject_id, s.since, s.seen_at, coalesce(s.ended_at, s.seen_at), host(s.network) || '/' || masklen(s.network)
FROM crm.user_session s JOIN crm.app_user u ON u.tenant_id = :tenant_id::bigint AND u.user_id = s.user_id
WHERE s.tenant_id = :tenant_id::bigint AND s.session_id > :after::uuid
ORDER BY s.tenant_id, s.session_id LIMIT :limit::bigint;

-- name: lines_of
-- The lines of some invoices, sealed.
SELECT l.invoice_id, l.line_no, l.quantity, l.unit_price, l.accounting
FROM crm.invoice_line l
WHERE l.tenant_id = :tenant_id::bigint AND l.invoice_id = ANY (:invoice_ids::uuid[])
ORDER BY l.invoice_id, l.line_no;

-- name: statuses
-- Which of some people are there, and whether they are erased.
SELECT subject_id, status FROM crm.subject
WHERE tenant_id = :tenant_id::bigint AND subject_id = ANY (:ids::uuid[]);

-- name: known_contacts
-- Which of these contacts are there already.
SELECT contact_id FROM crm.contact WHERE tenant_id = :tenant_id::bigint AND contact_id = ANY (:ids::uuid[]);

-- name: known_interactions
-- Which of these interactions are there already.
SELECT interaction_id FROM crm.interaction
WHERE tenant_id = :tenant_id::bigint AND interaction_id = ANY (:ids::uuid[]);

-- name: known_invoices
-- Which of these invoices are there already.
SELECT invoice_id FROM crm.invoice WHERE tenant_id = :tenant_id::bigint AND invoice_id = ANY (:ids::uuid[]);

-- name: known_users
-- Which of these users are there already.
SELECT user_id FROM crm.app_user WHERE tenant_id = :tenant_id::bigint AND user_id = ANY (:ids::uuid[]);

-- name: known_sessions
-- Which of these sessions are there already.
SELECT session_id FROM crm.user_session WHERE tenant_id = :tenant_id::bigint AND session_id = ANY (:ids::uuid[]);

-- name: roles
-- Roles that the tenant has.
SELECT role FROM crm.role WHERE tenant_id = :tenant_id::bigint ORDER BY role;

-- name: keep_sessions$
-- Sessions of the past, which nobody can use; how many were not known.
SELECT crm.keep_past_sessions(:tenant_id::bigint, :session_ids::uuid[], :subject_ids::uuid[], :networks::text[], :since::timestamptz[],
                              :seen::timestamptz[], :ended::timestamptz[]);

-- name: insert_subjects!
-- People as they were handed over, the erased ones among them.
INSERT INTO crm.subject (tenant_id, subject_id, status, entry_id, created_at, updated_at, erased_at)
SELECT :tenant_id::bigint, s.subject_id, s.status, :entry_id::uuid, s.created_at, coalesce(s.erased_at, s.created_at),
       s.erased_at
FROM unnest(:ids::uuid[], :statuses::text[], :created::timestamptz[], :erased::timestamptz[])
     AS s (subject_id, status, created_at, erased_at);

-- name: insert_contacts!
-- Contacts sealed anew; sets of index values come as the text form of integer[].
INSERT INTO crm.contact (tenant_id, contact_id, subject_id, personal, index_version, email_index, phone_index,
                         name_index, entry_id, created_at, updated_at)
SELECT :tenant_id::bigint, c.contact_id, c.subject_id, c.personal, :index_version::smallint, c.email,
       c.phones::integer[], c.names::integer[], :entry_id::uuid, c.created_at, c.updated_at
FROM unnest(:ids::uuid[], :subject_ids::uuid[], :personals::bytea[], :emails::integer[], :phones::text[],
            :names::text[], :created::timestamptz[], :updated::timestamptz[])
     AS c (contact_id, subject_id, personal, email, phones, names, created_at, updated_at);

-- name: insert_interactions!
-- Interactions sealed anew.
INSERT INTO crm.interaction (tenant_id, interaction_id, subject_id, kind, occurred_at, retention_period, personal,
                             entry_id, created_at)
SELECT :tenant_id::bigint, i.interaction_id, i.subject_id, i.kind, i.occurred_at, i.period, i.personal,
       :entry_id::uuid, i.created_at
FROM unnest(:ids::uuid[], :subject_ids::uuid[], :kinds::text[], :moments::timestamptz[], :periods::integer[],
            :personals::bytea[], :created::timestamptz[])
     AS i (interaction_id, subject_id, kind, occurred_at, period, personal, created_at);

-- name: insert_invoices!
-- Invoices sealed anew, those included that only a duty keeps.
INSERT INTO crm.invoice (tenant_id, invoice_id, subject_id, number, issued_on, currency, total, retention_period,
                         accounting, retained_at, entry_id, created_at)
SELECT :tenant_id::bigint, i.invoice_id, i.subject_id, i.number, i.issued_on, i.currency, i.total, i.period,
       i.accounting, i.retained_at, :entry_id::uuid, i.created_at
FROM unnest(:ids::uuid[], :subject_ids::uuid[], :numbers::text[], :dates::date[], :currencies::text[],
            :totals::numeric[], :periods::integer[], :accountings::bytea[], :retained::timestamptz[],
            :created::timestamptz[])
     AS i (invoice_id, subject_id, number, issued_on, currency, total, period, accounting, retained_at, created_at)
ORDER BY i.number;

-- name: insert_lines!
-- Lines of invoices sealed anew.
INSERT INTO crm.invoice_line (tenant_id, invoice_id, line_no, quantity, unit_price, accounting, retained_at)
SELECT :tenant_id::bigint, l.invoice_id, l.line_no, l.quantity, l.unit_price, l.accounting, l.retained_at
FROM unnest(:ids::uuid[], :line_nos::integer[], :quantities::numeric[], :prices::numeric[], :accountings::bytea[],
            :retained::timestamptz[]) AS l (invoice_id, line_no, quantity, unit_price, accounting, retained_at);
