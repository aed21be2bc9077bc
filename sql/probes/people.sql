-- name: logins
-- Every role that can log in here: whose it is in force, whose it ever was, whether it is the CRM's own for a dedicated tenant,
-- its group roles, whether it is a superuser, whether its person is bound, and whether the ledger knows who wrote that down.
SELECT r.rolname::text, p.handle, was.handle,
       EXISTS (SELECT FROM lua.tenant_directory d WHERE r.rolname = 'lua_t' || d.tenant_id AND d.tenant_id >= 1099511627776),
       ARRAY(SELECT g.rolname::text FROM pg_catalog.pg_roles g
             WHERE g.rolname ~ '^lua_(admin|operator|responder|auditor|dpo|accounting|app|ai)$' AND NOT r.rolsuper
               AND pg_has_role(r.oid, g.oid, 'MEMBER')
             ORDER BY 1),
       r.rolsuper, coalesce(lua.is_bound(p.person_id, :at::timestamptz), false),
       EXISTS (SELECT FROM ledger.entry e WHERE e.id = l.entry_id)
FROM pg_catalog.pg_roles r
LEFT JOIN lua.person_login l ON l.login = r.rolname
LEFT JOIN lua.person was ON was.person_id = l.person_id
LEFT JOIN lua.person p ON p.person_id = lua.person_of(r.rolname)
WHERE r.rolcanlogin AND (r.rolsuper OR has_database_privilege(r.oid, current_database(), 'CONNECT'))
ORDER BY 1;

-- name: sees_all$
-- Whether every ledger entry shows to this login, and none was pruned: else one that is missing proves nothing.
SELECT (pg_has_role('lua_admin', 'USAGE') OR pg_has_role('lua_responder', 'USAGE') OR pg_has_role('lua_auditor', 'USAGE')
        OR pg_has_role('lua_dpo', 'USAGE'))
       AND NOT EXISTS (SELECT FROM ledger.minimum);

-- name: signed
-- What binds people in force, and whether the ledger has the signature of just that person on just that basis.
SELECT p.handle, u.basis,
       EXISTS (SELECT FROM ledger.entry e
               WHERE e.id = u.entry_id AND e.action = 'staff.undertaking.add' AND e.object = 'person:' || u.person_id
                 AND convert_from(e.body, 'UTF8')::jsonb -> 'detail' ->> 'basis' = u.basis)
FROM lua.undertaking u JOIN lua.person p ON p.person_id = u.person_id
WHERE p.ended_at IS NULL AND u.withdrawn_at IS NULL
ORDER BY p.handle, u.undertaking_id;

-- name: known
-- Who has acknowledged the policies in force, and whether the ledger has that, of just that text.
SELECT p.handle, a.policy, a.version,
       EXISTS (SELECT FROM ledger.entry e
               WHERE e.id = a.entry_id AND e.action = 'policy.acknowledge' AND e.object = 'person:' || a.person_id
                 AND convert_from(e.body, 'UTF8')::jsonb -> 'detail' ->> 'digest' = encode(sha256(convert_to(v.body, 'UTF8')), 'hex'))
FROM lua.policies_in_force() f JOIN lua.policy v ON v.policy = f.policy AND v.version = f.version
JOIN lua.policy_acknowledgement a ON a.policy = f.policy AND a.version = f.version
JOIN lua.person p ON p.person_id = a.person_id
WHERE p.ended_at IS NULL
ORDER BY a.policy, p.handle;

-- name: strangers
-- People in force, the one of this login left out: in whose name it may acknowledge nothing.
SELECT p.person_id FROM lua.person p
WHERE p.ended_at IS NULL AND p.kind <> 'job' AND p.person_id IS DISTINCT FROM lua.person_of(session_user::name)
ORDER BY 1 LIMIT 1;
