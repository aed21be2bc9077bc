-- name: secrets
-- Every secret of a tenant, those that ended included; no value of any.
SELECT secret_id, kind, name, prefix, scopes, created_at, created_by, expires_at, last_used_at, replaced_at, revoked_at
FROM lua.secret
WHERE tenant_id = :tenant_id::bigint
ORDER BY name, created_at, secret_id;

-- name: sealed$
-- The sealed value of one credential.
SELECT sealed FROM lua.secret WHERE tenant_id = :tenant_id::bigint AND secret_id = :secret_id::uuid;

-- name: sealed_all
-- The sealed values of all credentials of a tenant; those that were replaced or revoked have none.
SELECT secret_id, sealed FROM lua.secret WHERE tenant_id = :tenant_id::bigint AND sealed IS NOT NULL;

-- name: put_credential$
-- A credential, in place of an earlier value of it if there is one.
SELECT lua.put_credential(:tenant_id::bigint, :secret_id::uuid, :name::text, :sealed::bytea, :expires_at::timestamptz,
                          :at::timestamptz, :entry_id::uuid, :replaces::uuid);

-- name: put_token$
-- A token by its hash, in place of an earlier one if there is one, which works on until a given instant.
SELECT lua.put_token(:tenant_id::bigint, :secret_id::uuid, :name::text, :prefix::text, :hash::bytea, :scopes::text[],
                     :expires_at::timestamptz, :at::timestamptz, :entry_id::uuid, :replaces::uuid, :until::timestamptz);

-- name: revoke_secrets
-- Ends secrets, and returns those that had not ended yet.
SELECT lua.revoke_secrets(:tenant_id::bigint, :secrets::uuid[], :at::timestamptz);

-- name: find_token^
-- Whose a token is, by its hash or its prefix.
SELECT tenant, secret_id FROM lua.find_token(:hash::bytea, :prefix::text);

-- name: own_token$
-- A token is a user's own from now on, and ends with the user.
SELECT crm.own_token(:tenant_id::bigint, :secret_id::uuid, :user_id::uuid, :entry_id::uuid);

-- name: user_of_token$
-- The user whose own a token is.
SELECT user_id FROM crm.user_token WHERE tenant_id = :tenant_id::bigint AND secret_id = :secret_id::uuid;
