-- Named queries of the noun `erasure`: always of many people at once, of whom there may be one.

-- name: statuses
-- Which of these subjects there are, and whether they live.
SELECT subject_id, status
FROM crm.subject
WHERE tenant_id = :tenant_id::bigint AND subject_id = ANY (:ids::uuid[]);

-- name: living_subjects
-- Everybody of a tenant who lives.
SELECT subject_id
FROM crm.subject
WHERE tenant_id = :tenant_id::bigint AND status = 'active'
ORDER BY subject_id;

-- name: by_digests
-- Whom these external ids belong to.
SELECT digest, subject_id
FROM crm.contact_key
WHERE tenant_id = :tenant_id::bigint AND digest = ANY (:digests::bytea[]);

-- name: lock_subjects
-- Waits, in the order of ids, for every writer of these subjects' rows, and keeps new ones out until the end of the
-- transaction.
SELECT subject_id, status
FROM crm.subject
WHERE tenant_id = :tenant_id::bigint AND subject_id = ANY (:ids::uuid[])
ORDER BY subject_id
FOR UPDATE;

-- name: counts^
-- How many rows of these subjects an erasure takes: contacts, external ids, interactions; users of the CRM, with roles,
-- sessions and tokens.
SELECT
    (SELECT count(*) FROM crm.contact WHERE tenant_id = :tenant_id::bigint AND subject_id = ANY (:ids::uuid[])),
    (SELECT count(*) FROM crm.contact_key WHERE tenant_id = :tenant_id::bigint AND subject_id = ANY (:ids::uuid[])),
    (SELECT count(*) FROM crm.interaction WHERE tenant_id = :tenant_id::bigint AND subject_id = ANY (:ids::uuid[])),
    cardinality(u.ids),
    (SELECT count(*) FROM crm.user_role r WHERE r.tenant_id = :tenant_id::bigint AND r.user_id = ANY (u.ids)),
    (SELECT count(*) FROM crm.user_session s WHERE s.tenant_id = :tenant_id::bigint AND s.user_id = ANY (u.ids)),
    (SELECT count(*) FROM crm.user_token k WHERE k.tenant_id = :tenant_id::bigint AND k.user_id = ANY (u.ids))
FROM (SELECT ARRAY(SELECT user_id FROM crm.app_user
                   WHERE tenant_id = :tenant_id::bigint AND subject_id = ANY (:ids::uuid[])) AS ids) AS u;

-- name: heavy
-- Those of these subjects who have more rows than most.
SELECT subject_id, count(*)
FROM crm.interaction
WHERE tenant_id = :tenant_id::bigint AND subject_id = ANY (:ids::uuid[])
GROUP BY subject_id
HAVING count(*) > :ordinary::bigint;

-- name: invoices
-- Invoices and lines of these subjects per year of issue, hidden ones included: counts only.
SELECT retention_period, invoices, lines, retained
FROM crm.invoices_of_all(:tenant_id::bigint, :ids::uuid[]);

-- name: billed
-- Which of these subjects have an invoice, hidden ones included.
SELECT crm.billed(:tenant_id::bigint, :ids::uuid[]);

-- name: visible_invoices$
-- How many invoices of these subjects this login sees.
SELECT count(*)
FROM crm.invoice
WHERE tenant_id = :tenant_id::bigint AND subject_id = ANY (:ids::uuid[]);

-- name: is_accounting$
-- Whether this login may see what only a duty keeps.
SELECT pg_has_role(current_user, 'lua_accounting', 'USAGE');

-- name: slots
-- Living keys of these subjects.
SELECT subject_id, key_class, version, slot_no
FROM vault.slot
WHERE tenant_id = :tenant_id::bigint AND subject_id = ANY (:ids::uuid[])
ORDER BY subject_id, key_class, version;

-- name: key_counts
-- How many living keys of these subjects there are in each class, and of how many people.
SELECT key_class, count(*), count(DISTINCT subject_id)
FROM vault.slot
WHERE tenant_id = :tenant_id::bigint AND subject_id = ANY (:ids::uuid[])
GROUP BY key_class
ORDER BY key_class;

-- name: erase_rows^
-- Deletes who these subjects are, the digests of their external ids, what passed between them and the tenant, and the users
-- of the CRM that they are, whose tokens end; how many rows of each table, as `counts` has them.
SELECT contacts, contact_keys, interactions, users, roles, sessions, tokens
FROM crm.erase_rows(:tenant_id::bigint, :ids::uuid[], :at::timestamptz);

-- name: erase_interactions$
-- Deletes what passed between the tenant and these subjects; returns how many rows.
SELECT crm.erase_interactions(:tenant_id::bigint, :ids::uuid[]);

-- name: mark_erased$
-- Keeps the subjects' rows, without anything personal, so that nothing can be written for them again; returns how many.
SELECT crm.mark_erased(:tenant_id::bigint, :ids::uuid[], :at::timestamptz);

-- name: retain_invoices$
-- Hides the subjects' invoices from everybody but bookkeeping; returns how many.
SELECT crm.retain_invoices(:tenant_id::bigint, :ids::uuid[], :at::timestamptz);

-- name: insert_erasure!
-- Leaves the intent of an erasure, with the epoch of its first batch.
INSERT INTO lua.erasure
    (tenant_id, erasure_id, subject_id, instruction, requested_by, state, epoch, plan, created_at, scope, subjects, digest)
VALUES
    (:tenant_id::bigint, :erasure_id::uuid, :subject_id::uuid, :instruction::text, session_user, 'intent',
     :epoch::bigint, :plan::jsonb, :at::timestamptz, :scope::text, :subjects::uuid[], :digest::bytea);

-- name: insert_batch!
-- Leaves what went in one epoch.
INSERT INTO lua.erasure_batch (tenant_id, erasure_id, epoch, people, gone, keys, at)
VALUES (:tenant_id::bigint, :erasure_id::uuid, :epoch::bigint, :people::integer, :gone::jsonb, :keys::jsonb,
        :at::timestamptz);

-- name: insert_people!
-- Leaves what became of people, with the keys that they had: one row a person, keys as parallel arrays of all of them.
INSERT INTO lua.erasure_subject
    (tenant_id, erasure_id, subject_id, state, scope, key_classes, key_versions, key_slots)
SELECT :tenant_id::bigint, :erasure_id::uuid, p.id, :state::text, :scope::text,
       coalesce(k.classes, '{}'), coalesce(k.versions, '{}'), coalesce(k.slots, '{}')
FROM unnest(:ids::uuid[]) AS p(id)
LEFT JOIN (
    SELECT w.id, array_agg(w.class) AS classes, array_agg(w.version) AS versions, array_agg(w.slot) AS slots
    FROM unnest(:owners::uuid[], :classes::smallint[], :versions::integer[], :slots::bigint[])
        AS w(id, class, version, slot)
    GROUP BY w.id
) AS k ON k.id = p.id;

-- name: finish_erasure!
-- Writes down what came of an erasure.
UPDATE lua.erasure
SET state = 'done', result = :result::jsonb, completed_at = :at::timestamptz
WHERE tenant_id = :tenant_id::bigint AND erasure_id = :erasure_id::uuid AND state = 'intent';

-- name: erasure_of_subject$
-- The erasure that took a person.
SELECT erasure_id
FROM lua.erasure_subject
WHERE tenant_id = :tenant_id::bigint AND subject_id = :subject_id::uuid AND scope = 'person' AND state = 'erased';

-- name: erased_on_record
-- Those of these subjects whose erasure is on record.
SELECT subject_id
FROM lua.erasure_subject
WHERE tenant_id = :tenant_id::bigint AND subject_id = ANY (:ids::uuid[]) AND scope = 'person' AND state = 'erased';

-- name: erasure_of_digest$
-- The newest erasure by a plan of that digest.
SELECT erasure_id
FROM lua.erasure
WHERE tenant_id = :tenant_id::bigint AND digest = :digest::bytea
ORDER BY erasure_id DESC
LIMIT 1;

-- name: erasure^
-- One erasure.
SELECT e.erasure_id, e.subject_id, e.instruction, e.requested_by, e.state, e.epoch, e.plan, e.result, e.created_at,
       e.completed_at, e.scope, cardinality(e.subjects), encode(e.digest, 'hex'),
       coalesce((SELECT max(b.epoch) FROM lua.erasure_batch b
                 WHERE b.tenant_id = :tenant_id::bigint AND b.erasure_id = e.erasure_id), e.epoch)
FROM lua.erasure e
WHERE e.tenant_id = :tenant_id::bigint AND e.erasure_id = :erasure_id::uuid;

-- name: erasures
-- The erasures of a tenant, newest first, of one state and since an instant if these are given, before an id.
SELECT e.erasure_id, e.subject_id, e.instruction, e.requested_by, e.state, e.epoch, e.plan, e.result, e.created_at,
       e.completed_at, e.scope, cardinality(e.subjects), encode(e.digest, 'hex'),
       coalesce((SELECT max(b.epoch) FROM lua.erasure_batch b
                 WHERE b.tenant_id = :tenant_id::bigint AND b.erasure_id = e.erasure_id), e.epoch)
FROM lua.erasure e
WHERE e.tenant_id = :tenant_id::bigint
  AND (:state::text IS NULL OR e.state = :state::text)
  AND (:since::timestamptz IS NULL OR e.created_at >= :since::timestamptz)
  AND (:before::uuid IS NULL OR e.erasure_id < :before::uuid)
ORDER BY e.erasure_id DESC
LIMIT nullif(:limit::bigint, 0);

-- name: batches
-- What went in each epoch of an erasure.
SELECT epoch, people, gone, keys, at
FROM lua.erasure_batch
WHERE tenant_id = :tenant_id::bigint AND erasure_id = :erasure_id::uuid
ORDER BY epoch;

-- name: people
-- Those people of an erasure of whom became what is asked for: erased, erased before, held.
SELECT subject_id
FROM lua.erasure_subject
WHERE tenant_id = :tenant_id::bigint AND erasure_id = :erasure_id::uuid AND state = :state::text
ORDER BY subject_id;

-- name: dropped_keys
-- Every key that an erasure dropped, and where it stood.
SELECT p.subject_id, k.class, k.version, k.slot
FROM lua.erasure_subject p
CROSS JOIN LATERAL unnest(p.key_classes, p.key_versions, p.key_slots) AS k(class, version, slot)
WHERE p.tenant_id = :tenant_id::bigint AND p.erasure_id = :erasure_id::uuid
ORDER BY p.subject_id, k.class, k.version;

-- name: left_to_do
-- Those of an erasure of whom nothing is written down yet, in the order of ids.
SELECT w.id
FROM lua.erasure e
CROSS JOIN LATERAL unnest(e.subjects) AS w(id)
WHERE e.tenant_id = :tenant_id::bigint AND e.erasure_id = :erasure_id::uuid
  AND NOT EXISTS (SELECT FROM lua.erasure_subject p
                  WHERE p.tenant_id = :tenant_id::bigint AND p.erasure_id = :erasure_id::uuid AND p.subject_id = w.id)
ORDER BY w.id;

-- name: open_erasures
-- Erasures of a tenant that were begun and not finished, oldest first.
SELECT erasure_id
FROM lua.erasure
WHERE tenant_id = :tenant_id::bigint AND state = 'intent'
ORDER BY erasure_id;

-- name: not_erased^
-- How many of these subjects are missing, how many live, how many still have a reference in the ledger.
SELECT cardinality(:ids::uuid[]) - count(*),
       count(*) FILTER (WHERE status <> 'erased' OR erased_at IS NULL),
       count(*) FILTER (WHERE personal IS NOT NULL)
FROM crm.subject
WHERE tenant_id = :tenant_id::bigint AND subject_id = ANY (:ids::uuid[]);

-- name: requests_naming$
-- How many requests still have a note about one of these subjects, or are closed and lead to them.
SELECT count(*)
FROM lua.request
WHERE tenant_id = :tenant_id::bigint AND subject_id = ANY (:ids::uuid[]) AND (noted OR closed_at IS NOT NULL);

-- name: open_requests$
-- How many requests of these subjects are open, but for one.
SELECT count(*)
FROM lua.request
WHERE tenant_id = :tenant_id::bigint AND subject_id = ANY (:ids::uuid[]) AND closed_at IS NULL
  AND request_id IS DISTINCT FROM :request_id::uuid;

-- name: unfinished
-- Erasures, purges and ends of all tenants that were begun and not finished, and notices of before an instant that nobody
-- confirmed; oldest first.
SELECT kind, tenant, id, since
FROM lua.unfinished()
WHERE kind <> 'notice' OR since <= :before::timestamptz;

-- name: tenant_of_erasure$
-- Which tenant an erasure belongs to.
SELECT lua.tenant_of_erasure(:erasure_id::uuid);

-- name: revived
-- Whoever is marked as erased and has rows or keys all the same, as after a restore of some tables.
SELECT s.subject_id
FROM crm.subject s
WHERE s.tenant_id = :tenant_id::bigint AND s.status = 'erased'
  AND (EXISTS (SELECT FROM crm.contact c WHERE c.tenant_id = :tenant_id::bigint AND c.subject_id = s.subject_id)
       OR EXISTS (SELECT FROM crm.contact_key k WHERE k.tenant_id = :tenant_id::bigint AND k.subject_id = s.subject_id)
       OR EXISTS (SELECT FROM crm.interaction i WHERE i.tenant_id = :tenant_id::bigint AND i.subject_id = s.subject_id)
       OR EXISTS (SELECT FROM crm.app_user u WHERE u.tenant_id = :tenant_id::bigint AND u.subject_id = s.subject_id)
       OR EXISTS (SELECT FROM vault.slot v WHERE v.tenant_id = :tenant_id::bigint AND v.subject_id = s.subject_id
                  AND v.key_class IN (1, 2)))
ORDER BY s.subject_id;

-- name: class_claims
-- Every claim of a tenant on keys of one class.
SELECT subject_id, slot_no
FROM vault.slot
WHERE tenant_id = :tenant_id::bigint AND key_class = :key_class::smallint
ORDER BY subject_id;

-- name: period_claims
-- Every claim of a tenant on the key of a period.
SELECT period_id, slot_no
FROM vault.period
WHERE tenant_id = :tenant_id::bigint
ORDER BY period_id;

-- name: waiting
-- Who was left out of a finished erasure because of a legal hold, lives, and was not taken by a later one since.
SELECT e.instruction, e.scope, array_agg(DISTINCT p.subject_id ORDER BY p.subject_id)
FROM lua.erasure_subject p
JOIN lua.erasure e ON e.tenant_id = :tenant_id::bigint AND e.erasure_id = p.erasure_id
JOIN crm.subject s ON s.tenant_id = :tenant_id::bigint AND s.subject_id = p.subject_id AND s.status = 'active'
WHERE p.tenant_id = :tenant_id::bigint AND p.state = 'held'
  AND NOT EXISTS (SELECT FROM lua.erasure_subject l
                  WHERE l.tenant_id = :tenant_id::bigint AND l.subject_id = p.subject_id AND l.scope = p.scope
                    AND l.state = 'erased' AND l.erasure_id > p.erasure_id)
GROUP BY e.instruction, e.scope
ORDER BY min(p.erasure_id::text);

-- name: keep_plan<!
-- Puts a plan on record, in place of an earlier one of this login for the same people and scope; returns its id.
INSERT INTO lua.erasure_plan
    (tenant_id, plan_id, target, digest, scope, subjects, instruction, plan, made_by, made_at)
VALUES
    (:tenant_id::bigint, :plan_id::uuid, :target::bytea, :digest::bytea, :scope::text, :subjects::uuid[],
     :instruction::text, :plan::jsonb, session_user, :at::timestamptz)
ON CONFLICT (tenant_id, target, made_by) DO UPDATE
    SET digest = excluded.digest, instruction = excluded.instruction, plan = excluded.plan, made_at = excluded.made_at
RETURNING plan_id;

-- name: plan_on_record^
-- One plan that is on record.
SELECT plan_id, scope, subjects, instruction, encode(digest, 'hex'), plan, made_by, made_at
FROM lua.erasure_plan
WHERE tenant_id = :tenant_id::bigint AND plan_id = :plan_id::uuid;

-- name: own_plan^
-- The plan of this login on record for these people and this scope: its id, digest and counts.
SELECT plan_id, encode(digest, 'hex'), plan
FROM lua.erasure_plan
WHERE tenant_id = :tenant_id::bigint AND target = :target::bytea AND made_by = session_user;

-- name: tenant_of_plan$
-- Which tenant a plan on record belongs to.
SELECT lua.tenant_of_erasure_plan(:plan_id::uuid);

-- name: withdraw_plan!
-- Takes a plan off the record.
DELETE FROM lua.erasure_plan
WHERE tenant_id = :tenant_id::bigint AND plan_id = :plan_id::uuid;

-- name: take_plans!
-- Takes every plan of that digest off the record: it is being carried out.
DELETE FROM lua.erasure_plan
WHERE tenant_id = :tenant_id::bigint AND digest = :digest::bytea;

-- name: queue
-- Planned, begun and finished erasures of all tenants, newest first, at most so many of each kind; open: those with work left.
SELECT tenant_id, tenant, kind, id, state, scope, people, held, waiting, instruction, made_by, made_at, ended_at, digest
FROM lua.erasure_queue(:open::boolean, :limit::bigint);
