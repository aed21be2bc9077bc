-- Named queries of the noun `request`.

-- name: open_requests
-- Open requests of all tenants, the one that is due first before the others.
SELECT tenant, request_id, request_right, state, reference, received_at, due_on, identified, held, closed_at
FROM lua.open_requests();

-- name: requests
-- The requests of a tenant: open ones, the one that is due first before the others; then, if asked for, those that are
-- closed, newest first.
SELECT :slug::text, r.request_id, r.request_right, r.state, r.reference, r.received_at, coalesce(r.extended_on, r.due_on),
       r.identified_at IS NOT NULL,
       r.closed_at IS NULL AND r.request_right = 'erasure'
       AND EXISTS (SELECT FROM lua.holds_on(:tenant_id::bigint, ARRAY[r.subject_id])),
       r.closed_at
FROM lua.request r
WHERE r.tenant_id = :tenant_id::bigint AND (:closed::boolean OR r.closed_at IS NULL)
ORDER BY r.closed_at DESC NULLS FIRST, 7, r.received_at, r.request_id;

-- name: request^
-- One request.
SELECT request_id, request_right, state, reference, channel, received_by, received_at, handed_on_at, due_on,
       coalesce(extended_on, due_on), subject_id, identified_how, identified_at, identified_by, extension_reason, told_at,
       extended_by, closed_at, closed_by, outcome, erasure_id, recorded_by, recorded_at, noted
FROM lua.request
WHERE tenant_id = :tenant_id::bigint AND request_id = :request_id::uuid;

-- name: tenant_of_request$
-- Which tenant a request belongs to.
SELECT lua.tenant_of_request(:request_id::uuid);

-- name: request_of_erasure$
-- The request that an erasure carries out.
SELECT request_id
FROM lua.request
WHERE tenant_id = :tenant_id::bigint AND erasure_id = :erasure_id::uuid;

-- name: request_of_reference$
-- The request of a reference and right.
SELECT request_id
FROM lua.request
WHERE tenant_id = :tenant_id::bigint AND reference = :reference::text AND request_right = :right::text;

-- name: note$
-- The sealed note about a request.
SELECT personal
FROM lua.request
WHERE tenant_id = :tenant_id::bigint AND request_id = :request_id::uuid;

-- name: add$
-- Records a request in the name of the login.
SELECT lua.add_request(
    :tenant_id::bigint, :request_id::uuid, :right::text, :reference::text, :channel::text, :received_by::text,
    :received_at::timestamptz, :handed_on_at::timestamptz, :due_on::date, :at::timestamptz, :entry_id::uuid);

-- name: identify$
-- Says whose request it is.
SELECT lua.identify_request(
    :tenant_id::bigint, :request_id::uuid, :subject_id::uuid, :how::text, :at::timestamptz, :personal::bytea);

-- name: extend$
-- Extends the clock of a request, once.
SELECT lua.extend_request(
    :tenant_id::bigint, :request_id::uuid, :until::date, :reason::text, :told_at::timestamptz);

-- name: close$
-- Closes a request for good.
SELECT lua.close_request(
    :tenant_id::bigint, :request_id::uuid, :state::text, :outcome::text, :at::timestamptz);

-- name: bind$
-- From now on an erasure carries out a request.
SELECT lua.bind_request(:tenant_id::bigint, :request_id::uuid, :erasure_id::uuid);

-- name: answer$
-- The erasure is done: its request is answered. Returns which; null when it has none.
SELECT lua.answer_request(:tenant_id::bigint, :erasure_id::uuid, :outcome::text, :at::timestamptz);
