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

-- name: user_count$
-- How many users a tenant has; the width of new blind indexes follows from it.
SELECT count(*) FROM crm.app_user WHERE tenant_id = :tenant_id::bigint;

-- name: add_user$
-- A new user with roles.
SELECT crm.add_user(:tenant_id::bigint, :user_id::uuid, :subject_id::uuid, :personal::bytea, :login_digest::bytea,
                    :index_version::smallint, :email_index::integer, :name_index::integer[], :roles::text[], :at::timestamptz,
                    :entry_id::uuid);

-- name: change_user$
-- Other roles, another state or second factor; null leaves it as it is.
SELECT crm.change_user(:tenant_id::bigint, :user_id::uuid, :roles::text[], :state::text, :mfa::text, :at::timestamptz,
                       :entry_id::uuid);

-- name: lock_user^
-- The person of a user, whom nobody erases until the transaction ends, and the width of the user's indexes.
SELECT u.subject_id, u.index_version
FROM crm.app_user u JOIN crm.subject s ON s.tenant_id = :tenant_id::bigint AND s.subject_id = u.subject_id AND s.status = 'active'
WHERE u.tenant_id = :tenant_id::bigint AND u.user_id = :user_id::uuid FOR SHARE OF s;

-- name: rename_user$
-- Another sealed value of a user, with the indexes of what it holds.
SELECT crm.rename_user(:tenant_id::bigint, :user_id::uuid, :personal::bytea, :login_digest::bytea, :index_version::smallint,
                       :email_index::integer, :name_index::integer[], :at::timestamptz);

-- name: start_session$
-- A session begins; its address is cut to a network by the function.
SELECT crm.start_session(:tenant_id::bigint, :session_id::uuid, :user_id::uuid, :hash::bytea, :address::text, :ends_at::timestamptz,
                         :at::timestamptz);

-- name: see_session$
-- Whose session that is, if it is good now.
SELECT crm.see_session(:tenant_id::bigint, :hash::bytea, :at::timestamptz);

-- name: end_session$
-- The end of a session, and whose it was.
SELECT crm.end_session(:tenant_id::bigint, :hash::bytea, 'logout', :at::timestamptz);

-- name: may$
-- Whether a user may do something now.
SELECT crm.may(:tenant_id::bigint, :user_id::uuid, :action::text, :object::text);

-- name: user_by_login$
-- The user of a login, by its digest.
SELECT user_id FROM crm.app_user WHERE tenant_id = :tenant_id::bigint AND login_digest = :digest::bytea;
