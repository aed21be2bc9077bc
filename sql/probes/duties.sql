-- name: erasures
-- The erasures of one tenant and their state, oldest first.
SELECT erasure_id, state
FROM lua.erasure
WHERE tenant_id = :tenant_id::bigint
ORDER BY erasure_id;
