-- name: users
-- Users of a tenant, oldest first, with what they have now; nothing of them opened. Null: all of them.
SELECT u.user_id, u.subject_id, u.state, u.mfa, u.mfa_since, u.created_at, u.ended_at,
       ARRAY(SELECT r.role FROM crm.user_role r WHERE r.tenant_id = :tenant_id::bigint AND r.user_id = u.user_id ORDER BY r.role),
       (SELECT count(*) FROM crm.user_session s
        WHERE s.tenant_id = :tenant_id::bigint AND s.user_id = u.user_id AND s.ended_at IS NULL AND s.ends_at > :at::timestamptz),
       (SELECT max(s.seen_at) FROM crm.user_session s WHERE s.tenant_id = :tenant_id::bigint AND s.user_id = u.user_id),
       (SELECT count(*) FROM crm.user_token k JOIN lua.secret t ON t.tenant_id = :tenant_id::bigint AND t.secret_id = k.secret_id
        WHERE k.tenant_id = :tenant_id::bigint AND k.user_id = u.user_id AND t.revoked_at IS NULL AND t.expires_at > :at::timestamptz)
FROM crm.app_user u
WHERE u.tenant_id = :tenant_id::bigint AND (:user_id::uuid IS NULL OR u.user_id = :user_id::uuid)
  AND (:ended::boolean OR u.state <> 'ended')
ORDER BY u.user_id;

-- name: sealed
-- Sealed values of some users.
SELECT user_id, subject_id, personal FROM crm.app_user
WHERE tenant_id = :tenant_id::bigint AND user_id = ANY (:users::uuid[]) ORDER BY user_id;

-- name: by_login$
-- The user of a login, by its digest.
SELECT user_id FROM crm.app_user WHERE tenant_id = :tenant_id::bigint AND login_digest = :digest::bytea;

-- name: sessions
-- Sessions of a user, the latest first.
SELECT session_id, since, seen_at, host(network) || '/' || masklen(network), ends_at, ended_at, ended_why
FROM crm.user_session
WHERE tenant_id = :tenant_id::bigint AND user_id = :user_id::uuid
ORDER BY since DESC, session_id;

-- name: tokens
-- Tokens of the API that are a user's own, as their names, by name.
SELECT t.name, t.prefix, t.scopes, t.expires_at, t.last_used_at, t.revoked_at
FROM crm.user_token k JOIN lua.secret t ON t.tenant_id = :tenant_id::bigint AND t.secret_id = k.secret_id
WHERE k.tenant_id = :tenant_id::bigint AND k.user_id = :user_id::uuid
ORDER BY t.name, t.created_at;

-- name: revoke^
-- Takes sessions, tokens, roles or all from a user at once; what there was.
SELECT sessions, tokens, roles, ended FROM crm.revoke_user(:tenant_id::bigint, :user_id::uuid, :what::text[], :at::timestamptz);

-- name: decide^
-- Whether a user may do something, by which permission of which role, or why not.
SELECT allowed, why, role, permission
FROM crm.decide(:tenant_id::bigint, :user_id::uuid, :action::text, :object::text);

-- name: giving
-- Roles of the tenant that would give it, by name.
SELECT DISTINCT role FROM crm.roles_giving(:tenant_id::bigint, :action::text, :object::text) WHERE gives ORDER BY 1;

-- name: objects
-- What permissions are about, and what can be done with it.
SELECT object, kind, sensitive, actions, about FROM lua.permission_object ORDER BY object;

-- name: sessions_due$
-- How many sessions of a tenant are over for so long that they go.
SELECT crm.sessions_due(:tenant_id::bigint, :at::timestamptz);

-- name: purge_sessions$
-- Deletes them; how many.
SELECT crm.purge_sessions(:tenant_id::bigint, :at::timestamptz);
