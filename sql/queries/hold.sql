-- name: place$
-- Places a hold in the name of the login; returns its number.
SELECT lua.place_hold(
    :tenant_id::bigint, :hold_id::uuid, :scope::text, :subject_id::uuid, :about::text, :kinds::text[], :first_on::date,
    :last_on::date, :case_ref::text, :reference::text, :ground::text, :at::timestamptz, :entry_id::uuid);

-- name: release$
-- Releases holds in the name of the login, all of them or none; returns how many.
SELECT lua.release_holds(
    :tenant_id::bigint, :holds::uuid[], :reason::text, :at::timestamptz, :entry_id::uuid);

-- name: holds
-- The holds of a tenant, newest first; those in force alone unless all are asked for.
SELECT hold_id, hold_no, scope, subject_id, about, kinds, first_on, last_on, case_ref, reference, ground, placed_by,
       placed_at, released_by, released_at, reason
FROM lua.hold
WHERE tenant_id = :tenant_id::bigint AND (:all::boolean OR released_at IS NULL)
  AND (:case_ref::text IS NULL OR case_ref = :case_ref::text)
ORDER BY hold_no DESC;

-- name: hold^
-- One hold.
SELECT hold_id, hold_no, scope, subject_id, about, kinds, first_on, last_on, case_ref, reference, ground, placed_by,
       placed_at, released_by, released_at, reason
FROM lua.hold
WHERE tenant_id = :tenant_id::bigint AND hold_id = :hold_id::uuid;

-- name: tenant_of_hold$
-- Which tenant a hold belongs to.
SELECT lua.tenant_of_hold(:hold_id::uuid);

-- name: subject_status$
-- Whether a tenant knows a subject, and whether it lives.
SELECT status FROM crm.subject WHERE tenant_id = :tenant_id::bigint AND subject_id = :subject_id::uuid;

-- name: holds_on
-- Which of these subjects cannot be erased now, and the holds that say so.
SELECT subject_id, hold_id FROM lua.holds_on(:tenant_id::bigint, :subject_ids::uuid[]);

-- name: due
-- Rows that are due but held, per class and period.
SELECT retention_class, retention_period, held, lines FROM crm.held_due(:tenant_id::bigint, :at::timestamptz);

-- name: interactions_to_move
-- Interactions that must be sealed under another period before keys go, locked; `target` null: back under their own.
SELECT row_id, line_no, subject_id, retention_period, target, sealed
FROM crm.interactions_to_move(:tenant_id::bigint, :limit::integer, :at::timestamptz);

-- name: invoices_to_move
-- The same for invoices, each followed by its lines.
SELECT row_id, line_no, subject_id, retention_period, target, sealed
FROM crm.invoices_to_move(:tenant_id::bigint, :limit::integer, :at::timestamptz);

-- name: move_interactions$
-- Puts interactions under another period's key, all of them or none.
SELECT crm.move_interactions(
    :tenant_id::bigint, :rows::uuid[], :targets::integer[], :seals::bytea[], :at::timestamptz);

-- name: move_invoices$
-- Puts invoices with all their lines under another period's key, all of them or none; returns how many invoices.
SELECT crm.move_invoices(
    :tenant_id::bigint, :rows::uuid[], :lines::integer[], :targets::integer[], :seals::bytea[], :at::timestamptz);

-- name: released_periods
-- Periods of holds that are released: their keys go with the next purge.
SELECT p.period_id
FROM vault.period p
JOIN lua.hold h ON h.tenant_id = p.tenant_id AND h.hold_no = (p.period_id & 16777215)
WHERE p.tenant_id = :tenant_id::bigint AND p.period_id >> 24 IN (4, 5) AND h.tenant_id = :tenant_id::bigint
  AND h.released_at IS NOT NULL
ORDER BY p.period_id;
