-- name: processors
-- The register of processors.
SELECT slug, name, service, country, contact, channel, used_since, used_until, tenants, unconfirmed, processor_id
FROM lua.processors();

-- name: put_processor$
-- Adds a processor, or writes what is said of it anew; whether it is new.
SELECT lua.put_processor(:id::uuid, :slug::text, :name::text, :service::text, :country::text, :contact::text, :channel::text,
                         :since::date, :until::date, :tenants::text[], :at::timestamptz, :entry_id::uuid);

-- name: processors_of
-- Who works for a tenant at an instant, by slug.
SELECT p.name, p.service, p.country
FROM lua.processors_of(:tenant_id::bigint, :at::timestamptz) AS u (id)
JOIN lua.processor p ON p.processor_id = u.id
ORDER BY p.slug;

-- name: notify
-- Makes the notices to all who work for a tenant, and returns those that are new.
SELECT lua.notify_processors(:tenant_id::bigint, :cause::text, :cause_id::uuid, :ids::uuid[], :at::timestamptz);

-- name: notices
-- Notices of all tenants, oldest first; or one, or those of one cause.
SELECT notice_id, tenant, processor, cause, cause_id, state, created_at, attempts, attempted_at, problem, sent_at, sent_by,
       sent_how, deleted_on, confirmed_at, confirmed_by, confirmation, name, service, country, contact, channel, tenant_id
FROM lua.processor_notices(:notice_id::uuid, :cause_id::uuid, :every::boolean);

-- name: subjects
-- Whom a notice is about, by ids that name nobody.
SELECT lua.notice_subjects(:notice_id::uuid);

-- name: scope$
-- What of them must go.
SELECT lua.notice_scope(:notice_id::uuid);

-- name: attempted$
-- Writes down that a notice was sent, or why it was not.
SELECT lua.notice_attempted(:notice_id::uuid, :how::text, :problem::text, :at::timestamptz);

-- name: confirmed$
-- Writes down that the processor has deleted.
SELECT lua.notice_confirmed(:notice_id::uuid, :deleted_on::date, :confirmation::text, :at::timestamptz);
