-- name: rules
-- Which action needs how many approvals, by whom.
SELECT action, approvals, from_subjects, roles, valid_hours, drift_rows, drift_percent, set_by, set_at
FROM lua.approval_rule
ORDER BY action;

-- name: set_rule$
-- Sets the rule of an action, in the name of the login; returns how many: 1 or 0.
SELECT lua.set_approval_rule(
    :action::text, :approvals::smallint, :from_subjects::integer, :roles::text[], :valid_hours::integer,
    :drift_rows::integer, :drift_percent::integer, :at::timestamptz, :entry_id::uuid);

-- name: keys
-- Every key that approvals are or were judged by.
SELECT vkey, person, logins, registered_by, registered_at, revoked_by, revoked_at
FROM lua.approver_key
ORDER BY registered_at, vkey;

-- name: add_key$
-- Registers a public key, in the name of the login.
SELECT lua.add_approver_key(:vkey::text, :person::text, :logins::text[], :at::timestamptz, :entry_id::uuid);

-- name: revoke_key$
-- Revokes a key for answers to come; returns how many: 1 or 0.
SELECT lua.revoke_approver_key(:vkey::text, :at::timestamptz, :entry_id::uuid);

-- name: request$
-- Stores a request, in the name of the login; returns how many approvals it needs.
SELECT lua.request_approval(
    :approval_id::uuid, :request::bytea, :at::timestamptz, :expires_at::timestamptz, :entry_id::uuid);

-- name: answer$
-- Records a signed answer, in the name of the login.
SELECT lua.answer_approval(
    :approval_id::uuid, :vkey::text, :granted::boolean, :note::text, :at::timestamptz, :entry_id::uuid);

-- name: use$
-- Takes a granted approval, for good if `finish`.
SELECT lua.use_approval(:approval_id::uuid, :finish::boolean, :at::timestamptz);

-- name: void$
-- Takes back a request that was not used yet.
SELECT lua.void_approval(:approval_id::uuid, :reason::text, :at::timestamptz);

-- name: approvals
-- Requests, newest first: one of them, or those of a login, an action, a target or some plans, or all; open ones alone if asked.
SELECT approval_id, action, target, request, needed, roles, requested_by, requested_at, expires_at, used_at,
       finished_at, void_reason
FROM lua.approval
WHERE (:approval_id::uuid IS NULL OR approval_id = :approval_id::uuid)
  AND (:requested_by::text IS NULL OR requested_by = :requested_by::text)
  AND (:target::text IS NULL OR target = :target::text)
  AND (:action::text IS NULL OR action = :action::text)
  AND (:plans::text[] IS NULL OR convert_from(request, 'UTF8')::jsonb #>> '{exact,plan}' = ANY (:plans::text[]))
  AND (NOT :open::boolean OR (finished_at IS NULL AND void_at IS NULL))
ORDER BY requested_at DESC, approval_id DESC
LIMIT nullif(:limit::bigint, 0);

-- name: answers
-- The answers to these requests, with whose key it is.
SELECT w.approval_id, w.vkey, k.person, w.granted, w.note, w.recorded_by, w.recorded_at
FROM lua.approval_answer w
JOIN lua.approver_key k ON k.vkey = w.vkey
WHERE w.approval_id = ANY (:approvals::uuid[])
ORDER BY w.recorded_at, w.vkey;

-- name: tree_id$
-- Which key tree this is: a request for one installation is worth nothing in another.
SELECT tree_id FROM vault.tree;

-- name: own_logins$
-- All logins of the person who asks, as registered keys have them; this one alone without a key.
SELECT array_agg(DISTINCT l.name) FROM (
    SELECT session_user::text AS name
    UNION ALL SELECT unnest(k.logins) FROM lua.approver_key k WHERE session_user::text = ANY (k.logins)
) AS l;

-- name: own_roles
-- Which of these roles the login has.
SELECT r.name FROM unnest(:roles::text[]) AS r(name) WHERE pg_has_role(session_user, r.name, 'MEMBER');
