-- name: policies
-- Versions of all policies or of one, oldest first, with what has become of each.
SELECT p.policy, p.version, p.title,
       CASE WHEN p.retired_at IS NOT NULL THEN 'retired' WHEN p.published_at IS NULL THEN 'draft'
            WHEN EXISTS (SELECT FROM lua.policies_in_force() f WHERE f.policy = p.policy AND f.version = p.version) THEN 'in force'
            ELSE 'superseded' END,
       p.published_at, p.acknowledge_by, p.retired_at,
       (SELECT count(*) FROM lua.policy_acknowledgement a WHERE a.policy = p.policy AND a.version = p.version),
       encode(p.digest, 'hex')
FROM lua.policy p
WHERE :policy::text IS NULL OR p.policy = :policy::text
ORDER BY p.policy, p.version;

-- name: body$
-- The text of a version.
SELECT body FROM lua.policy WHERE policy = :policy::text AND version = :version::integer;

-- name: add$
-- Adds the next version, as a draft.
SELECT lua.add_policy(:policy::text, :version::integer, :title::text, :body::text, :digest::bytea, :at::timestamptz, :entry_id::uuid);

-- name: publish$
-- Puts a draft in force; false: it was none.
SELECT lua.publish_policy(:policy::text, :version::integer, :by::date, :at::timestamptz, :entry_id::uuid);

-- name: retire$
-- Takes every published version out of force; how many there were.
SELECT lua.retire_policy(:policy::text, :at::timestamptz, :entry_id::uuid);

-- name: acknowledge$
-- Writes down that a person knows a version; false: that is known already.
SELECT lua.acknowledge_policy(:policy::text, :version::integer, :person_id::uuid, :evidence::text, :at::timestamptz, :entry_id::uuid);

-- name: acknowledgements
-- Who has acknowledged a version, in the order of time.
SELECT a.policy, a.version, p.handle, a.acknowledged_at, a.evidence, a.recorded_by
FROM lua.policy_acknowledgement a JOIN lua.person p ON p.person_id = a.person_id
WHERE a.policy = :policy::text AND a.version = :version::integer
ORDER BY a.acknowledged_at, p.handle;

-- name: missing
-- People in force who have not acknowledged a policy in force, the earliest day first.
SELECT f.policy, f.version, v.title, p.handle, greatest(f.acknowledge_by, p.started_on),
       greatest(f.acknowledge_by, p.started_on) < :today::date
FROM lua.policies_in_force() f JOIN lua.policy v ON v.policy = f.policy AND v.version = f.version
CROSS JOIN lua.person p
WHERE p.ended_at IS NULL AND p.kind <> 'job'
  AND (:person_id::uuid IS NULL OR p.person_id = :person_id::uuid) AND (:policy::text IS NULL OR f.policy = :policy::text)
  AND NOT EXISTS (SELECT FROM lua.policy_acknowledgement a
                  WHERE a.policy = f.policy AND a.version = f.version AND a.person_id = p.person_id)
ORDER BY 5, p.handle, f.policy;
