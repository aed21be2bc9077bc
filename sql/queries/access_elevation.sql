-- name: require$
-- Whose login asks, or an error: whether they may have the role on the tenant for so long.
SELECT lua.require_elevation(:role::text, :of_tenant::bigint, :minutes::integer, :is_alarm::boolean);

-- name: begin^
-- Writes an elevation down and says its login's name, with its beginning and end by the server's clock.
SELECT login::text, begun_at, ends_at
FROM lua.begin_elevation(:elevation_id::uuid, :role::text, :of_tenant::bigint, :minutes::integer, :reason::text,
                         :approval_id::uuid, :at::timestamptz, :entry_id::uuid);

-- name: person$
-- Whose an elevation is.
SELECT person_id FROM lua.elevation WHERE elevation_id = :elevation_id::uuid;

-- name: make_login$
-- Makes the login of an elevation that the same login began.
SELECT lua.make_elevated_login(:elevation_id::uuid, :verifier::text);

-- name: end$
-- Ends an elevation in the name of the login; false: it had ended.
SELECT lua.end_elevation(:elevation_id::uuid, :at::timestamptz, :entry_id::uuid);

-- name: lock_login$
-- Takes entrance and rights from the login of an ended elevation.
SELECT lua.lock_elevated_login(:elevation_id::uuid);

-- name: drop_login$
-- Ends the sessions of an ended elevation and drops its login; false: something of its own holds it.
SELECT lua.drop_elevated_login(:elevation_id::uuid);

-- name: note_cleared$
-- Writes down that the login of an ended elevation is gone.
SELECT lua.note_cleared(:elevation_id::uuid);

-- name: sign_off$
-- Signs an ended elevation off in the name of the login, which has seen so many entries.
SELECT lua.sign_off_elevation(:elevation_id::uuid, :reason::text, :entries::bigint, :at::timestamptz, :entry_id::uuid);

-- name: elevations
-- Elevations, newest first; of one id, of one person, those that are open, or those that nobody signed off.
SELECT e.elevation_id, e.login::text, p.handle, e.person_id, e.asked_by::text, e.role, coalesce(d.slug, e.of_tenant::text), e.of_tenant,
       e.reason, e.approval_id, e.begun_at, e.ends_at,
       CASE WHEN e.signed_off_at IS NOT NULL THEN 'signed off'
            WHEN e.ended_at IS NOT NULL AND e.cleared_at IS NULL THEN 'ending'
            WHEN e.ended_at IS NOT NULL THEN 'ended'
            WHEN e.ends_at <= clock_timestamp() THEN 'over' ELSE 'open' END,
       e.ended_at, e.ended_by::text, e.cleared_at, coalesce(e.ended_at, e.ends_at) + make_interval(days => r.sign_off_days),
       e.signed_off_at, e.signed_off_by::text, e.signed_off_for, e.signed_off_entries
FROM lua.elevation e JOIN lua.person p ON p.person_id = e.person_id JOIN lua.elevation_rule r ON r.role = e.role
LEFT JOIN lua.tenant_directory d ON d.tenant_id = e.of_tenant
WHERE (:elevation_id::uuid IS NULL OR e.elevation_id = :elevation_id::uuid)
  AND (NOT :mine::boolean OR e.person_id = lua.person_of(session_user::name))
  AND (NOT :is_open::boolean OR (e.ended_at IS NULL AND e.ends_at > clock_timestamp()))
  AND (NOT :unsigned::boolean OR e.signed_off_at IS NULL)
ORDER BY e.begun_at DESC, e.elevation_id DESC
LIMIT nullif(:limit::bigint, 0);

-- name: due
-- Elevations that the sweep has to end or to finish, oldest first: their time is over, or whose they are has left or is bound no more.
SELECT e.elevation_id
FROM lua.elevation e JOIN lua.person p ON p.person_id = e.person_id
WHERE e.cleared_at IS NULL
  AND (e.ended_at IS NOT NULL OR e.ends_at <= clock_timestamp() OR p.ended_at IS NOT NULL OR NOT lua.is_bound(e.person_id, clock_timestamp()))
ORDER BY e.begun_at, e.elevation_id;

-- name: rules
-- Which roles can be had, for how long, and until when that is signed off.
SELECT role, minutes, alarm_minutes, sign_off_days, set_by::text, set_at FROM lua.elevation_rule ORDER BY role;

-- name: set_rule$
-- Sets how long a role can be had, and until when that is signed off; false: there is no such rule.
SELECT lua.set_elevation_rule(:role::text, :minutes::integer, :alarm_minutes::integer, :sign_off_days::integer, :at::timestamptz, :entry_id::uuid);

-- name: tenant_id$
-- The tenant that a slug names.
SELECT tenant_id FROM lua.tenant_directory WHERE slug = :slug::text;

-- name: acts
-- What a login did, by action, outcome and tenant: how often, how many people it touched, first and last.
SELECT e.action, e.outcome, coalesce(d.slug, nullif(e.tenant_id, 0)::text), count(DISTINCT e.id), count(DISTINCT s.person), min(e.at), max(e.at)
FROM ledger.entry e LEFT JOIN LATERAL unnest(e.touched || e.subject) AS s (person) ON true
LEFT JOIN lua.tenant_directory d ON d.tenant_id = e.tenant_id
WHERE e.actor = :login::text AND e.at >= :since::timestamptz
GROUP BY e.action, e.outcome, e.tenant_id, d.slug
ORDER BY 3 NULLS FIRST, 4 DESC, 1, 2;

-- name: people
-- Ledger references of everybody whose data a login opened or changed.
SELECT DISTINCT s.person FROM ledger.entry e CROSS JOIN LATERAL unnest(e.touched || e.subject) AS s (person)
WHERE e.actor = :login::text AND e.at >= :since::timestamptz AND s.person IS NOT NULL
ORDER BY 1;

-- name: sums^
-- How many entries a login wrote, and how many lines of servers tell of it.
SELECT (SELECT count(*) FROM ledger.entry e WHERE e.actor = :login::text),
       (SELECT count(*) FROM lua.log_line l WHERE l.actor = :login::text AND l.at >= :since::timestamptz);

-- name: faults
-- What is not as elevations made it: logins that outlive their end or have more than they were given, tables without the policies.
WITH elevated AS (
    SELECT r.oid, r.rolname::text AS login, r.rolcanlogin, r.rolvaliduntil,
           r.rolsuper OR r.rolcreaterole OR r.rolcreatedb OR r.rolreplication OR r.rolbypassrls AS is_more, e.elevation_id,
           e.ended_at IS NOT NULL AND e.cleared_at IS NULL AS is_left, e.ends_at, e.role, e.of_tenant
    FROM pg_catalog.pg_roles r LEFT JOIN lua.elevation e ON e.login = r.rolname AND e.cleared_at IS NULL
    WHERE r.rolname ~ ('^lua_e[0-9]+_[0-9]+_' || left(md5(current_database()), 6))
), guarded AS (
    SELECT c.oid::regclass::text AS name, EXISTS (
        SELECT FROM pg_catalog.pg_policy p
        WHERE p.polrelid = c.oid AND NOT p.polpermissive AND p.polname = 'elevated' AND p.polcmd = '*'
          AND p.polroles = ARRAY['lua_elevated'::regrole::oid] AND pg_get_expr(p.polqual, p.polrelid) ~ 'clock_timestamp.*SESSION_USER')
        AND EXISTS (
        SELECT FROM pg_catalog.pg_policy p
        WHERE p.polrelid = c.oid AND p.polname = CASE p.polpermissive WHEN true THEN 'tenant' ELSE 'elevation' END AND p.polcmd = '*'
          AND CASE WHEN p.polpermissive THEN pg_get_expr(p.polqual, p.polrelid) ~ 'lua_\[et\]\[0-9\]'
                   ELSE pg_get_expr(p.polqual, p.polrelid) ~ '^(lua\.)?as_itself\(\)$'
                        AND (SELECT f.prosrc ~ 'current_user = session_user OR .*lua_e\[0-9\]' FROM pg_catalog.pg_proc f
                             WHERE f.oid = 'lua.as_itself()'::regprocedure) END) AS ends
    FROM pg_catalog.pg_class c
    WHERE c.relkind IN ('r', 'p') AND c.relrowsecurity AND NOT c.relispartition AND c.relnamespace::regnamespace::text IN ('lua', 'crm', 'vault', 'ledger')
)
SELECT login, 'no elevation on record is its own' FROM elevated WHERE elevation_id IS NULL
UNION ALL SELECT login, 'it has attributes that no elevation gives' FROM elevated WHERE is_more
UNION ALL SELECT login, 'its password outlives its end' FROM elevated WHERE elevation_id IS NOT NULL AND rolcanlogin AND rolvaliduntil IS DISTINCT FROM ends_at
UNION ALL
SELECT e.login, 'it belongs to ' || m.roleid::regrole || ', which it was not given'
FROM elevated e JOIN pg_catalog.pg_auth_members m ON m.member = e.oid
WHERE e.elevation_id IS NOT NULL
  AND m.roleid::regrole::text NOT IN ('lua_elevated', e.role, 'lua_t' || e.of_tenant || '_staff')
UNION ALL SELECT login, 'something of its own keeps it: DROP OWNED BY it, then DROP ROLE, by a superuser' FROM elevated WHERE is_left AND NOT rolcanlogin
UNION ALL SELECT name, 'it lacks the policies that end elevations' FROM guarded WHERE NOT ends
ORDER BY 1, 2;
