-- name: contacts_after
-- The next contacts of living people after one of them (null: the first), in the order in which they came.
SELECT contact_id, subject_id, personal FROM crm.contact
WHERE tenant_id = :tenant_id::bigint
  AND contact_id > coalesce(:after::uuid, '00000000-0000-0000-0000-000000000000')
ORDER BY tenant_id, contact_id LIMIT :limit::bigint;

-- name: contacts
-- These contacts; those of erased people are gone.
SELECT contact_id, subject_id, personal FROM crm.contact
WHERE tenant_id = :tenant_id::bigint AND contact_id = ANY (:contact_ids::uuid[]) ORDER BY contact_id;

-- name: lock_contact^
-- One contact as it is now, which nobody else changes until the transaction ends.
SELECT personal, index_version FROM crm.contact
WHERE tenant_id = :tenant_id::bigint AND contact_id = :contact_id::uuid FOR NO KEY UPDATE;

-- name: replace_contact!
-- Another sealed value of a contact, with the blind indexes of what it holds.
UPDATE crm.contact
SET personal = :personal::bytea, email_index = :email_index::integer, phone_index = :phone_index::integer[],
    name_index = :name_index::integer[], updated_at = :at::timestamptz
WHERE tenant_id = :tenant_id::bigint AND contact_id = :contact_id::uuid;

-- name: insert_people!
-- New people with their ledger references, each with the entry that says so.
INSERT INTO crm.subject (tenant_id, subject_id, personal, entry_id, created_at, updated_at)
SELECT :tenant_id::bigint, w.subject_id, w.personal, w.entry_id, :at::timestamptz, :at::timestamptz
FROM unnest(:subject_ids::uuid[], :entry_ids::uuid[], :seals::bytea[]) AS w(subject_id, entry_id, personal);

-- name: insert_contacts!
-- Their contacts; sets of index values come as the text form of integer[], which unnest cannot carry ragged.
INSERT INTO crm.contact (tenant_id, contact_id, subject_id, personal, index_version, email_index, phone_index,
                         name_index, entry_id, created_at, updated_at)
SELECT :tenant_id::bigint, w.contact_id, w.subject_id, w.personal, :index_version::smallint, w.email,
       w.phones::integer[], w.names::integer[], w.entry_id, :at::timestamptz, :at::timestamptz
FROM unnest(:contact_ids::uuid[], :subject_ids::uuid[], :entry_ids::uuid[], :seals::bytea[], :emails::integer[],
            :phones::text[], :names::text[]) AS w (contact_id, subject_id, entry_id, personal, email, phones, names);
