-- name: rules
-- The deletion rules of one tenant.
SELECT retention_class, starting_point, months, minimum_months, basis, updated_at
FROM lua.retention_rule
WHERE tenant_id = :tenant_id::bigint
ORDER BY retention_class;

-- name: set_months!
-- Sets a regular deletion period; the table's CHECK holds the legal minimum.
UPDATE lua.retention_rule
SET months = :months::integer, updated_at = :at::timestamptz
WHERE tenant_id = :tenant_id::bigint AND retention_class = :retention_class::text;

-- name: interactions_before
-- Interactions per month of occurrence before a month.
SELECT retention_period, count(*)
FROM crm.interaction
WHERE tenant_id = :tenant_id::bigint AND retention_period < :before::integer
GROUP BY retention_period
ORDER BY retention_period;

-- name: invoices_before
-- Invoices and their lines per year of issue before a year, those of erased people included: counts only.
SELECT retention_period, invoices, lines
FROM crm.invoices_due(:tenant_id::bigint, :before::integer);

-- name: held
-- Rows that are due but held, per class and period, and how many of them must move before that period's key goes.
SELECT retention_class, retention_period, held, lines, to_move
FROM crm.held_due(:tenant_id::bigint, :at::timestamptz);

-- name: periods
-- Every period of one tenant that has a key.
SELECT period_id
FROM vault.period
WHERE tenant_id = :tenant_id::bigint
ORDER BY period_id;

-- name: purge_interactions$
-- Deletes up to a number of interactions of one month; refused before the tenant's rule lets them go, and for held ones.
SELECT crm.purge_interactions(:tenant_id::bigint, :period::integer, :limit::integer, :at::timestamptz);

-- name: purge_invoices^
-- Deletes up to a number of invoices of one year with their lines; refused before the tenant's rule lets them go, and for
-- held ones.
SELECT invoices, lines
FROM crm.purge_invoices(:tenant_id::bigint, :period::integer, :limit::integer, :at::timestamptz);

-- name: insert_purge!
-- Leaves the intent of a purge that drops keys, with the epoch that drops them.
INSERT INTO lua.purge (tenant_id, purge_id, requested_by, state, epoch, plan, created_at)
VALUES (:tenant_id::bigint, :purge_id::uuid, session_user, 'intent', :epoch::bigint, :plan::jsonb, :at::timestamptz);

-- name: finish_purge!
-- Writes down what came of a purge.
UPDATE lua.purge
SET state = 'done', result = :result::jsonb, completed_at = :at::timestamptz
WHERE tenant_id = :tenant_id::bigint AND purge_id = :purge_id::uuid AND state = 'intent';

-- name: open_purges
-- Purges of one tenant whose keys may or may not be destroyed yet.
SELECT purge_id, epoch, plan
FROM lua.purge
WHERE tenant_id = :tenant_id::bigint AND state = 'intent'
ORDER BY purge_id;

-- name: periods_held
-- Every period that ends by itself and still has a key, over all tenants, with how many and the first 20 of them.
SELECT retention_class, starting_point, months, number, tenants, slugs
FROM lua.periods(:classes::integer[], :names::text[]);

-- name: log_rule^
-- How long lines of the log are kept.
SELECT months, basis, updated_at FROM lua.log_rule;

-- name: set_log_rule!
-- Sets it; the table's CHECK holds the bounds.
UPDATE lua.log_rule SET months = :months::integer, updated_at = :at::timestamptz;

-- name: log_months_due
-- Months of the log that may go, with their lines, and how many of these legal holds keep.
SELECT month, lines, held FROM lua.log_months_due(:at::timestamptz);

-- name: drop_log_month$
-- Drops a month; refused before the rule lets it go, and while a hold keeps lines of it. Null: it was not there.
SELECT lua.drop_log_month(:month::integer, :at::timestamptz);

-- name: insert_log_purge!
-- Leaves the intent of a purge that drops keys of months, with the epoch that drops them.
INSERT INTO lua.log_purge (purge_id, requested_by, state, epoch, months, created_at)
VALUES (:purge_id::uuid, session_user, 'intent', :epoch::bigint, :months::integer[], :at::timestamptz);

-- name: finish_log_purge!
-- Writes down that it is over.
UPDATE lua.log_purge SET state = 'done', completed_at = :at::timestamptz WHERE purge_id = :purge_id::uuid AND state = 'intent';

-- name: open_log_purges
-- Purges of the log whose keys may or may not be destroyed yet.
SELECT purge_id, epoch FROM lua.log_purge WHERE state = 'intent' ORDER BY purge_id;
