-- name: rules
-- The rules of separation that count, for how many people each is waived now, and who added it.
SELECT r.rule, r.one, r.other, r.why,
       (SELECT count(DISTINCT w.person_id) FROM lua.duty_waiver w
        WHERE w.rule = r.rule AND w.expires_on >= (:at::timestamptz AT TIME ZONE 'UTC')::date),
       r.added_by
FROM lua.duty_rule r WHERE r.ended_at IS NULL ORDER BY r.rule;

-- name: add_rule$
-- A rule of the house's own.
SELECT lua.add_duty_rule(:rule::text, :one::text[], :other::text[], :why::text, :at::timestamptz, :entry_id::uuid);

-- name: end_rule$
-- Ends a rule of the house's own; whether it did.
SELECT lua.end_duty_rule(:rule::text, :at::timestamptz, :entry_id::uuid);

-- name: findings
-- Whoever has duties that a rule keeps apart, waived or not.
SELECT rule, handle, logins, has, besides, why, waiver_id, waived_until FROM lua.duty_findings(:at::timestamptz);

-- name: waivers
-- Waivers, the oldest first; those that are over if they are asked for.
SELECT w.waiver_id, w.rule, p.handle, w.reason, w.expires_on, w.waived_by, w.approval_id
FROM lua.duty_waiver w JOIN lua.person p ON p.person_id = w.person_id
WHERE :ended::boolean OR w.expires_on >= :today::date
ORDER BY w.waived_at, w.waiver_id;

-- name: person^
-- Somebody by their handle, and whether that is whoever asks.
SELECT p.person_id, coalesce(p.person_id = lua.person_of(session_user::name), false)
FROM lua.person p WHERE p.handle = :handle::text AND p.ended_at IS NULL;

-- name: waive$
-- A waiver, by an approval that was taken.
SELECT lua.waive_duty(:waiver_id::uuid, :rule::text, :person_id::uuid, :reason::text, :until::date, :approval_id::uuid,
                      :at::timestamptz, :entry_id::uuid);
