-- Nobody reviews what they administer: found at night, from what was decided (docs/how-to/separation-of-duties.md).
SET LOCAL ROLE lua_owner;
INSERT INTO lua.duty_rule (rule, one, other, why) VALUES
    ('reviews-and-administers', '{reviewer}', '{grantor}', 'who grants a role does not say whether others should keep it');
GRANT SELECT ON lua.review_item, lua.review_decision TO lua_definer;
RESET ROLE;

-- As before, and whoever decided that somebody keeps a role which they can grant themselves.
CREATE OR REPLACE FUNCTION lua.duty_findings(p_at timestamptz)
    RETURNS TABLE (rule text, handle text, logins name[], has text[], besides text[], why text, waiver_id uuid, waived_until date)
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = '' AS $$
    WITH who (person_id, handle, logins) AS MATERIALIZED (
        SELECT p.person_id, p.handle, array_agg(l.login ORDER BY l.login)
        FROM lua.person p JOIN lua.person_login l ON l.person_id = p.person_id AND l.ended_at IS NULL
        GROUP BY p.person_id, p.handle
        UNION ALL
        SELECT NULL, NULL, ARRAY[r.rolname] FROM pg_catalog.pg_roles r
        WHERE r.rolcanlogin AND NOT r.rolsuper AND r.rolname !~ '^(lua_|pg_)'
          AND NOT EXISTS (SELECT FROM lua.person_login l WHERE l.login = r.rolname AND l.ended_at IS NULL)
    ), duty AS MATERIALIZED (
        SELECT w.*, lua.duties_of(w.logins, '{}', p_at) AS duties FROM who w
    )
    SELECT r.rule, d.handle, d.logins, ARRAY(SELECT unnest(r.one) INTERSECT SELECT unnest(d.duties) ORDER BY 1),
           ARRAY(SELECT unnest(r.other) INTERSECT SELECT unnest(d.duties) ORDER BY 1), r.why, v.waiver_id, v.expires_on
    FROM duty d JOIN lua.duty_rule r ON r.one && d.duties AND r.other && d.duties
    LEFT JOIN LATERAL (
        SELECT w.waiver_id, w.expires_on FROM lua.duty_waiver w
        WHERE w.rule = r.rule AND w.person_id = d.person_id AND w.expires_on >= (p_at AT TIME ZONE 'UTC')::date
        ORDER BY w.expires_on DESC LIMIT 1) AS v ON true
    UNION ALL
    -- One person with two logins can ask as one and answer as the other, if the register learns of it only later.
    SELECT 'requests-and-approves', p.handle, ARRAY[a.requested_by, w.recorded_by]::name[], ARRAY['asked for ' || a.approval_id],
           ARRAY['answered it'], 'who asks for something does not approve it', NULL, NULL
    FROM lua.approval a
    JOIN lua.approval_answer w ON w.approval_id = a.approval_id AND w.recorded_by <> a.requested_by AND w.granted
    JOIN lua.person_login q ON q.login = a.requested_by
    JOIN lua.person_login s ON s.login = w.recorded_by AND s.person_id = q.person_id
    JOIN lua.person p ON p.person_id = q.person_id
    UNION ALL
    SELECT 'reviews-and-administers', p.handle, ARRAY[l.login], ARRAY['reviewed ' || i.object || ' of ' || i.login],
           ARRAY['may grant ' || i.object], 'who grants a role does not say whether others should keep it', NULL, NULL
    FROM lua.review_decision d
    JOIN lua.review_item i ON i.review_id = d.review_id AND i.item_no = d.item_no AND i.kind = 'membership'
    JOIN lua.person p ON p.person_id = d.person_id
    JOIN lua.person_login l ON l.person_id = d.person_id AND l.ended_at IS NULL
    JOIN pg_catalog.pg_roles o ON o.rolname = l.login
    JOIN pg_catalog.pg_auth_members m ON m.member = o.oid AND m.admin_option AND m.roleid = to_regrole(i.object)
    WHERE d.decision IN ('keep', 'reduce')
    ORDER BY 1, 2, 3
$$;
