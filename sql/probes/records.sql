-- name: contacts^
-- Contacts of one tenant, and how many of them belong to none of its subjects.
SELECT count(*), count(*) FILTER (WHERE s.subject_id IS NULL)
FROM crm.contact c
LEFT JOIN crm.subject s ON s.tenant_id = :tenant_id::bigint AND s.subject_id = c.subject_id
WHERE c.tenant_id = :tenant_id::bigint;

-- name: interactions^
-- Interactions of one tenant, and how many of them belong to none of its subjects.
SELECT count(*), count(*) FILTER (WHERE s.subject_id IS NULL)
FROM crm.interaction i
LEFT JOIN crm.subject s ON s.tenant_id = :tenant_id::bigint AND s.subject_id = i.subject_id
WHERE i.tenant_id = :tenant_id::bigint;

-- name: write_contact!
-- Tries to write a contact of a subject that does not exist.
INSERT INTO crm.contact
    (tenant_id, contact_id, subject_id, personal, index_version, phone_index, name_index, entry_id, created_at, updated_at)
VALUES (:tenant_id::bigint, gen_random_uuid(), gen_random_uuid(), '\x01', 1, '{}', '{}', gen_random_uuid(), now(), now());

-- name: write_interaction!
-- Tries to write an interaction with a subject that does not exist.
INSERT INTO crm.interaction
    (tenant_id, interaction_id, subject_id, kind, occurred_at, retention_period, personal, entry_id, created_at)
VALUES (:tenant_id::bigint, gen_random_uuid(), gen_random_uuid(), 'note', now(), 200001, '\x01', gen_random_uuid(), now());
