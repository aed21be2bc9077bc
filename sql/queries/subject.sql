-- name: versions_contact
-- The width versions of blind indexes that the contacts of a tenant have.
SELECT v.version
FROM generate_series(0, 40) AS v (version)
WHERE EXISTS (
    SELECT FROM crm.contact c WHERE c.tenant_id = :tenant_id::bigint AND c.index_version = v.version
);

-- name: versions_app_user
-- The same of its users, who are few.
SELECT DISTINCT index_version
FROM crm.app_user
WHERE tenant_id = :tenant_id::bigint
ORDER BY index_version;

-- name: rows_by_version_contact
-- How many contacts of a tenant have indexes of which width version.
SELECT index_version, count(*)
FROM crm.contact
WHERE tenant_id = :tenant_id::bigint
GROUP BY index_version
ORDER BY index_version;

-- name: rows_by_version_app_user
-- How many users of a tenant have indexes of which width version.
SELECT index_version, count(*)
FROM crm.app_user
WHERE tenant_id = :tenant_id::bigint
GROUP BY index_version
ORDER BY index_version;

-- name: count_candidates_contact$
-- How many contacts of one width version carry these indexes; null or an empty set excludes nobody.
SELECT count(*)
FROM crm.contact
WHERE tenant_id = :tenant_id::bigint AND index_version = :version::smallint
  AND (:email_index::integer IS NULL OR email_index = :email_index::integer)
  AND phone_index @> :phone_index::integer[]
  AND name_index @> :name_index::integer[];

-- name: candidates_contact
-- The next of these contacts, sealed, with the subject's status.
SELECT c.contact_id, c.subject_id, s.status, c.personal
FROM crm.contact c
JOIN crm.subject s ON s.tenant_id = :tenant_id::bigint AND s.subject_id = c.subject_id
WHERE c.tenant_id = :tenant_id::bigint AND c.index_version = :version::smallint
  AND (:email_index::integer IS NULL OR c.email_index = :email_index::integer)
  AND c.phone_index @> :phone_index::integer[]
  AND c.name_index @> :name_index::integer[]
  AND c.contact_id > :after::uuid
ORDER BY c.contact_id
LIMIT :limit::integer;

-- name: count_candidates_app_user$
-- How many users of one width version carry these indexes, or sign in by that address.
SELECT count(*)
FROM crm.app_user
WHERE tenant_id = :tenant_id::bigint AND index_version = :version::smallint
  AND (:email_index::integer IS NULL OR email_index = :email_index::integer OR login_digest = :login_digest::bytea)
  AND name_index @> :name_index::integer[];

-- name: candidates_app_user
-- The next of these users, sealed, with the subject's status.
SELECT u.user_id, u.subject_id, s.status, u.personal
FROM crm.app_user u
JOIN crm.subject s ON s.tenant_id = :tenant_id::bigint AND s.subject_id = u.subject_id
WHERE u.tenant_id = :tenant_id::bigint AND u.index_version = :version::smallint
  AND (:email_index::integer IS NULL OR u.email_index = :email_index::integer OR u.login_digest = :login_digest::bytea)
  AND u.name_index @> :name_index::integer[]
  AND u.user_id > :after::uuid
ORDER BY u.user_id
LIMIT :limit::integer;

-- name: by_digest
-- The contacts of the subject that an external id belongs to, sealed.
SELECT c.contact_id, c.subject_id, s.status, c.personal
FROM crm.contact_key k
JOIN crm.subject s ON s.tenant_id = :tenant_id::bigint AND s.subject_id = k.subject_id
JOIN crm.contact c ON c.tenant_id = :tenant_id::bigint AND c.subject_id = k.subject_id
WHERE k.tenant_id = :tenant_id::bigint AND k.digest = :digest::bytea
ORDER BY c.contact_id;

-- name: subject^
-- One subject, without what is sealed.
SELECT subject_id, status, created_at, erased_at
FROM crm.subject
WHERE tenant_id = :tenant_id::bigint AND subject_id = :subject_id::uuid;

-- name: lock_subjects
-- Subjects with their status, kept from being erased until the transaction ends.
SELECT subject_id, status
FROM crm.subject
WHERE tenant_id = :tenant_id::bigint AND subject_id = ANY (:subject_ids::uuid[])
ORDER BY subject_id
FOR SHARE;

-- name: whereabouts
-- Rows about one subject in each table, by what their clock counts; an invoice also where only a duty keeps it. The
-- row that stays after an erasure holds no personal data and is not counted.
SELECT 'crm.subject', count(*), NULL::integer, false
FROM crm.subject
WHERE tenant_id = :tenant_id::bigint AND subject_id = :subject_id::uuid AND status = 'active'
HAVING count(*) > 0
UNION ALL
SELECT 'crm.contact', count(*), NULL, false
FROM crm.contact
WHERE tenant_id = :tenant_id::bigint AND subject_id = :subject_id::uuid
HAVING count(*) > 0
UNION ALL
SELECT 'crm.contact_key', count(*), NULL, false
FROM crm.contact_key
WHERE tenant_id = :tenant_id::bigint AND subject_id = :subject_id::uuid
HAVING count(*) > 0
UNION ALL
SELECT 'crm.interaction', count(*), retention_period, false
FROM crm.interaction
WHERE tenant_id = :tenant_id::bigint AND subject_id = :subject_id::uuid
GROUP BY retention_period
UNION ALL
SELECT 'lua.request', count(*), NULL, false
FROM lua.request
WHERE tenant_id = :tenant_id::bigint AND subject_id = :subject_id::uuid
HAVING count(*) > 0
UNION ALL
SELECT h.name, h.rows, NULL, false
FROM crm.app_user u
CROSS JOIN LATERAL (VALUES
    ('crm.app_user', 1),
    ('crm.user_role', (SELECT count(*) FROM crm.user_role r WHERE r.tenant_id = :tenant_id::bigint AND r.user_id = u.user_id)),
    ('crm.user_session', (SELECT count(*) FROM crm.user_session r WHERE r.tenant_id = :tenant_id::bigint AND r.user_id = u.user_id)),
    ('crm.user_token', (SELECT count(*) FROM crm.user_token r WHERE r.tenant_id = :tenant_id::bigint AND r.user_id = u.user_id))
) AS h (name, rows)
WHERE u.tenant_id = :tenant_id::bigint AND u.subject_id = :subject_id::uuid AND h.rows > 0
UNION ALL
SELECT t.name, t.rows, i.retention_period, i.retained
FROM crm.invoices_of(:tenant_id::bigint, :subject_id::uuid) AS i
CROSS JOIN LATERAL (VALUES ('crm.invoice', i.invoices), ('crm.invoice_line', i.lines)) AS t (name, rows)
WHERE t.rows > 0
ORDER BY 1, 3;

-- name: key_classes
-- The classes of which a subject has a key that lives.
SELECT DISTINCT key_class
FROM vault.slot
WHERE tenant_id = :tenant_id::bigint AND subject_id = :subject_id::uuid
ORDER BY key_class;

-- name: next_batch_contact
-- The next contacts whose indexes have another width than they should, sealed.
SELECT contact_id, subject_id, updated_at, personal
FROM crm.contact
WHERE tenant_id = :tenant_id::bigint AND index_version <> :version::smallint AND contact_id > :after::uuid
ORDER BY contact_id
LIMIT :limit::integer;

-- name: set_indexes_contact*!
-- Gives contacts their indexes of another width, unless somebody changed them meanwhile.
UPDATE crm.contact
SET index_version = :version::smallint, email_index = :email_index::integer, phone_index = :phone_index::integer[],
    name_index = :name_index::integer[]
WHERE tenant_id = :tenant_id::bigint AND contact_id = :row_id::uuid AND updated_at = :updated_at::timestamptz;

-- name: next_batch_app_user
-- The next users whose indexes have another width than they should, sealed.
SELECT user_id, subject_id, updated_at, personal
FROM crm.app_user
WHERE tenant_id = :tenant_id::bigint AND index_version <> :version::smallint AND user_id > :after::uuid
ORDER BY user_id
LIMIT :limit::integer;

-- name: set_indexes_app_user*!
-- Gives users their indexes of another width, unless somebody changed them meanwhile.
UPDATE crm.app_user
SET index_version = :version::smallint, email_index = :email_index::integer, name_index = :name_index::integer[]
WHERE tenant_id = :tenant_id::bigint AND user_id = :row_id::uuid AND updated_at = :updated_at::timestamptz;

-- name: lock_alone
-- Waits for every writer of a subject's rows, and keeps new ones out until the end of the transaction.
SELECT subject_id, status
FROM crm.subject
WHERE tenant_id = :tenant_id::bigint AND subject_id = :subject_id::uuid
FOR UPDATE;

-- name: contacts
-- The contacts of a subject.
SELECT contact_id
FROM crm.contact
WHERE tenant_id = :tenant_id::bigint AND subject_id = :subject_id::uuid
ORDER BY contact_id;

-- name: user$
-- The user of the CRM that a subject is.
SELECT user_id
FROM crm.app_user
WHERE tenant_id = :tenant_id::bigint AND subject_id = :subject_id::uuid;

-- name: index_version$
-- The width version of a contact's blind indexes.
SELECT index_version
FROM crm.contact
WHERE tenant_id = :tenant_id::bigint AND contact_id = :contact_id::uuid;

-- name: set_contact_indexes!
-- Gives one contact the blind indexes of what it holds now.
UPDATE crm.contact
SET email_index = :email_index::integer, phone_index = :phone_index::integer[], name_index = :name_index::integer[]
WHERE tenant_id = :tenant_id::bigint AND contact_id = :contact_id::uuid;

-- name: user_width$
-- The width version of a user's blind indexes.
SELECT index_version
FROM crm.app_user
WHERE tenant_id = :tenant_id::bigint AND user_id = :user_id::uuid;

-- name: set_user_indexes!
-- Lets one user be found by what it holds now.
UPDATE crm.app_user
SET login_digest = :login_digest::bytea, index_version = :index_version::smallint, email_index = :email_index::integer,
    name_index = :name_index::integer[]
WHERE tenant_id = :tenant_id::bigint AND user_id = :user_id::uuid;

-- name: sealed_subject
-- Row id and sealed value of the subject's own row.
SELECT subject_id::text, personal
FROM crm.subject
WHERE tenant_id = :tenant_id::bigint AND subject_id = :subject_id::uuid AND personal IS NOT NULL;

-- name: reseal_subject$
-- Another sealed value of the subject's own row; returns how many rows took it.
WITH changed AS (
    UPDATE crm.subject t
    SET personal = w.sealed, updated_at = :at::timestamptz
    FROM unnest(:row_ids::text[], :seals::bytea[]) AS w(row_id, sealed)
    WHERE t.tenant_id = :tenant_id::bigint AND t.subject_id = w.row_id::uuid
    RETURNING 1
)
SELECT count(*) FROM changed;

-- name: sealed_contact
-- Row id and sealed value of a subject's contacts.
SELECT contact_id::text, personal
FROM crm.contact
WHERE tenant_id = :tenant_id::bigint AND subject_id = :subject_id::uuid
ORDER BY contact_id;

-- name: reseal_contact$
-- Other sealed values of contacts; returns how many rows took them.
WITH changed AS (
    UPDATE crm.contact t
    SET personal = w.sealed, updated_at = :at::timestamptz
    FROM unnest(:row_ids::text[], :seals::bytea[]) AS w(row_id, sealed)
    WHERE t.tenant_id = :tenant_id::bigint AND t.contact_id = w.row_id::uuid
    RETURNING 1
)
SELECT count(*) FROM changed;

-- name: sealed_interaction
-- Row id and sealed value of a subject's interactions.
SELECT interaction_id::text, personal
FROM crm.interaction
WHERE tenant_id = :tenant_id::bigint AND subject_id = :subject_id::uuid
ORDER BY interaction_id;

-- name: reseal_interaction$
-- Other sealed values of interactions; returns how many rows took them.
SELECT crm.reseal_interactions(:tenant_id::bigint, (:row_ids::text[])::uuid[], :seals::bytea[]);

-- name: sealed_request
-- Row id and sealed note of requests that a subject made.
SELECT request_id::text, personal
FROM lua.request
WHERE tenant_id = :tenant_id::bigint AND subject_id = :subject_id::uuid AND personal IS NOT NULL
ORDER BY request_id;

-- name: reseal_request$
-- Other sealed notes of requests; returns how many rows took them.
WITH changed AS (
    UPDATE lua.request t
    SET personal = w.sealed
    FROM unnest(:row_ids::text[], :seals::bytea[]) AS w(row_id, sealed)
    WHERE t.tenant_id = :tenant_id::bigint AND t.request_id = w.row_id::uuid
    RETURNING 1
)
SELECT count(*) FROM changed;

-- name: sealed_app_user
-- Row id and sealed value of the user that a subject is.
SELECT user_id::text, personal
FROM crm.app_user
WHERE tenant_id = :tenant_id::bigint AND subject_id = :subject_id::uuid;

-- name: reseal_app_user$
-- Other sealed values of users; returns how many rows took them.
WITH changed AS (
    UPDATE crm.app_user t
    SET personal = w.sealed, updated_at = :at::timestamptz
    FROM unnest(:row_ids::text[], :seals::bytea[]) AS w(row_id, sealed)
    WHERE t.tenant_id = :tenant_id::bigint AND t.user_id = w.row_id::uuid
    RETURNING 1
)
SELECT count(*) FROM changed;

-- name: sealed_invoice
-- Row id and sealed value of a subject's invoices.
SELECT invoice_id::text, accounting
FROM crm.invoice
WHERE tenant_id = :tenant_id::bigint AND subject_id = :subject_id::uuid
ORDER BY invoice_id;

-- name: reseal_invoice$
-- Other sealed values of invoices; returns how many rows took them.
SELECT crm.reseal_invoices(:tenant_id::bigint, (:row_ids::text[])::uuid[], :seals::bytea[]);

-- name: sealed_invoice_line
-- Row id and sealed value of the lines of a subject's invoices.
SELECT l.invoice_id || '/' || l.line_no, l.accounting
FROM crm.invoice i
JOIN crm.invoice_line l ON l.tenant_id = :tenant_id::bigint AND l.invoice_id = i.invoice_id
WHERE i.tenant_id = :tenant_id::bigint AND i.subject_id = :subject_id::uuid
ORDER BY l.invoice_id, l.line_no;

-- name: reseal_invoice_line$
-- Other sealed values of invoice lines; returns how many rows took them.
SELECT crm.reseal_invoice_lines(
    :tenant_id::bigint,
    ARRAY(SELECT split_part(r, '/', 1)::uuid FROM unnest(:row_ids::text[]) WITH ORDINALITY AS w(r, n) ORDER BY n),
    ARRAY(SELECT split_part(r, '/', 2)::integer FROM unnest(:row_ids::text[]) WITH ORDINALITY AS w(r, n) ORDER BY n),
    :seals::bytea[]
);
