-- name: current^
-- The end of a tenant that is announced, under way or done; none when there is no such end.
SELECT termination_id, state, instruction, announced_by, announced_at, erase_from, requested_by, returned, epoch, plan,
       result, completed_at
FROM lua.termination WHERE tenant_id = :tenant_id::bigint AND state <> 'withdrawn';

-- name: rows
-- How many rows of each table are processed for a tenant.
SELECT table_name, row_count FROM lua.processed_rows(:tenant_id::bigint);

-- name: announce$
-- Announces the end of a tenant; its data stand still from then on.
SELECT lua.announce_end(:tenant_id::bigint, :termination_id::uuid, :instruction::text, :erase_from::timestamptz,
                        :at::timestamptz);

-- name: withdraw$
-- Takes an announced end back.
SELECT lua.withdraw_end(:tenant_id::bigint, :at::timestamptz);

-- name: begin$
-- The tenant's keys go in this transaction; from here on nothing of it is kept.
SELECT lua.begin_end(:tenant_id::bigint, :epoch::bigint, :returned::text, :plan::jsonb, :at::timestamptz);

-- name: take_rows^
-- Deletes the tenant's rows of the first table that has any.
SELECT table_name, taken FROM lua.take_rows(:tenant_id::bigint);

-- name: ended^
-- The end of a dedicated tenant that is over, whoever asks.
SELECT termination_id, state, instruction, announced_by, announced_at, erase_from, requested_by, returned, epoch, plan,
       result, completed_at
FROM lua.ended(:tenant_id::bigint);

-- name: finish$
-- Writes down what came of it, once no row is left.
SELECT lua.finish_end(:tenant_id::bigint, :result::jsonb, :at::timestamptz);

-- name: restate$
-- Writes down what processors said since; nothing else of the facts changes.
SELECT lua.restate_end(:termination_id::uuid, :result::jsonb);

-- name: export_made^
-- When all data of a tenant were handed over by an export of that id, as the ledger says; and by whom.
SELECT at, actor FROM ledger.entry
WHERE tenant_id = :tenant_id::bigint AND action = 'tenant.export' AND outcome = 'done' AND object = :object::text
ORDER BY at DESC LIMIT 1;

-- name: holds$
-- How many legal holds are in force.
SELECT count(*) FROM lua.hold WHERE tenant_id = :tenant_id::bigint AND released_at IS NULL;

-- name: claims_left^
-- Living keys of a tenant: of subjects, of periods.
SELECT (SELECT count(*) FROM vault.slot WHERE tenant_id = :tenant_id::bigint),
       (SELECT count(*) FROM vault.period WHERE tenant_id = :tenant_id::bigint);
