-- name: persons
-- People and jobs by handle, or one of them; whether they are bound at an instant.
SELECT p.handle, p.name, p.kind, m.handle, ARRAY(SELECT t.team FROM lua.person_team t WHERE t.person_id = p.person_id ORDER BY t.team),
       p.started_on, p.ended_at,
       ARRAY(SELECT l.login::text FROM lua.person_login l WHERE l.person_id = p.person_id AND l.ended_at IS NULL ORDER BY l.login),
       lua.is_bound(p.person_id, :at::timestamptz), p.person_id
FROM lua.person p LEFT JOIN lua.person m ON m.person_id = p.manager
WHERE (:handle::text IS NULL OR p.handle = :handle::text) AND (:person_id::uuid IS NULL OR p.person_id = :person_id::uuid)
ORDER BY p.handle;

-- name: person_of$
-- The person or job in force whose login it is.
SELECT lua.person_of(:login::name);

-- name: logins
-- Logins of a person, or of everybody, and what the server says of each.
SELECT l.login::text, p.handle, l.since, l.ended_at, r.rolcanlogin
FROM lua.person_login l JOIN lua.person p ON p.person_id = l.person_id
LEFT JOIN pg_catalog.pg_roles r ON r.rolname = l.login
WHERE :person_id::uuid IS NULL OR l.person_id = :person_id::uuid
ORDER BY l.login;

-- name: is_login$
-- Whether somebody could log in by that name, and it is not one of ours.
SELECT EXISTS (SELECT FROM pg_catalog.pg_roles r WHERE r.rolname = :login::text AND r.rolcanlogin AND r.rolname !~ '^lua_');

-- name: put_person$
-- Adds a person or a job, or writes what is said of them anew; whether they are new.
SELECT lua.put_person(:id::uuid, :handle::text, :name::text, :kind::text, :manager::uuid, :started_on::date, :teams::text[],
                      :at::timestamptz, :entry_id::uuid);

-- name: add_login$
-- Writes down whose a login is; false: it is known already.
SELECT lua.add_person_login(:login::name, :person_id::uuid, :at::timestamptz, :entry_id::uuid);

-- name: end_login$
-- Writes down that a login is nobody's any more.
SELECT lua.end_person_login(:login::name, :at::timestamptz, :entry_id::uuid);

-- name: undertakings
-- What people signed, of one person or of everybody, newest last; whether it binds at an instant.
SELECT u.undertaking_id, p.handle, u.basis, u.text_version, u.signed_on, u.expires_on, u.withdrawn_at,
       p.ended_at IS NULL AND u.signed_on <= d.today AND (u.expires_on IS NULL OR u.expires_on >= d.today)
       AND (u.withdrawn_at IS NULL OR u.withdrawn_at > :at::timestamptz)
FROM lua.undertaking u JOIN lua.person p ON p.person_id = u.person_id
CROSS JOIN (SELECT (:at::timestamptz AT TIME ZONE 'UTC')::date AS today) d
WHERE (:person_id::uuid IS NULL OR u.person_id = :person_id::uuid)
  AND (:undertaking_id::uuid IS NULL OR u.undertaking_id = :undertaking_id::uuid)
ORDER BY p.handle, u.signed_on, u.undertaking_id;

-- name: bases
-- By which laws everybody must be bound.
SELECT basis, required, set_by, set_at FROM lua.undertaking_basis ORDER BY basis;

-- name: medical_tenants$
-- How many tenants have medical secrets while nobody need be bound by s. 203 StGB; 0: everybody must be.
SELECT CASE WHEN b.required THEN 0 ELSE lua.medical_tenants() END FROM lua.undertaking_basis b WHERE b.basis = 'stgb-203';

-- name: add_undertaking$
-- Records what a person signed.
SELECT lua.add_undertaking(:id::uuid, :person_id::uuid, :basis::text, :text_version::text, :signed_on::date, :expires_on::date,
                           :at::timestamptz, :entry_id::uuid);

-- name: withdraw_undertaking$
-- From here on it binds nobody; false: so it was already.
SELECT lua.withdraw_undertaking(:id::uuid, :at::timestamptz, :entry_id::uuid);

-- name: require_undertaking$
-- Sets whether everybody must be bound on a basis; false: it was so already.
SELECT lua.require_undertaking(:basis::text, :required::boolean, :at::timestamptz, :entry_id::uuid);
