-- Rules of separation of the house's own, beside those that are delivered, which stay; and who could open what keys seal
-- (docs/how-to/separation-of-duties.md).
SET LOCAL ROLE lua_owner;
ALTER TABLE lua.duty_rule
    ADD COLUMN added_by text, ADD COLUMN added_at timestamptz, ADD COLUMN ended_at timestamptz, ADD COLUMN entry_id uuid,
    ADD CHECK (num_nulls(added_by, added_at, entry_id) IN (0, 3)),
    ADD CHECK (ended_at >= added_at), ADD CHECK (ended_at IS NULL OR added_at IS NOT NULL);
COMMENT ON COLUMN lua.duty_rule.added_by IS 'Null: as delivered';
COMMENT ON COLUMN lua.duty_rule.ended_at IS 'From when on it no longer counts; a rule as delivered always does';
COMMENT ON COLUMN lua.duty_rule.entry_id IS 'The ledger entry of the last change';
GRANT INSERT, UPDATE (ended_at, entry_id) ON lua.duty_rule TO lua_definer;

-- A key host is known by its places, and by what was opened: whoever opens without keys released to them has the root at hand.
CREATE FUNCTION lua.key_ways(p_logins name[], p_at timestamptz) RETURNS text[]
    LANGUAGE sql STABLE SET search_path = '' AS $$
    SELECT coalesce(array_agg(DISTINCT w.way ORDER BY w.way), '{}') FROM (
        SELECT 'released to ' || v.person AS way FROM vault.release v
        WHERE v.person = ANY (p_logins::text[]) AND v.ended_at IS NULL AND v.expires_at > p_at
        UNION ALL
        SELECT CASE WHEN o.kind = 'holder' THEN o.registered_by || ' registered a holder on ' ELSE o.registered_by || ' works on key host ' END || o.host
        FROM vault.place o
        WHERE o.registered_by = ANY (p_logins::text[]) AND o.retired_at IS NULL
          AND (o.kind = 'holder' OR EXISTS (SELECT FROM vault.place h WHERE h.host = o.host AND h.kind = 'holder' AND h.retired_at IS NULL))
        UNION ALL
        SELECT l.login || ' opened without a release on ' || (e.at AT TIME ZONE 'UTC')::date
        FROM unnest(p_logins) AS l (login) CROSS JOIN LATERAL (
            SELECT e.at FROM ledger.entry e
            WHERE e.actor = l.login::text AND e.action = 'read' AND e.at > p_at - interval '90 days'
              AND NOT EXISTS (SELECT FROM vault.release v WHERE v.tenant_id = e.tenant_id AND v.person = e.actor
                              AND v.created_at <= e.at AND e.at <= coalesce(v.ended_at, v.expires_at))
            ORDER BY e.at DESC LIMIT 1) AS e
    ) AS w
$$;
COMMENT ON FUNCTION lua.key_ways IS
    'By what somebody with these logins could open sealed data: released keys, a key host, or what they opened in the last 90 days; empty: by nothing';

CREATE OR REPLACE FUNCTION lua.duties_of(p_logins name[], p_more text[], p_at timestamptz) RETURNS text[]
    LANGUAGE sql STABLE SET search_path = '' AS $$
    SELECT coalesce(array_agg(DISTINCT d.duty ORDER BY d.duty), '{}') FROM (
        SELECT r.rolname::text AS duty
        FROM pg_catalog.pg_roles r JOIN pg_catalog.pg_roles h ON h.rolname = ANY (p_logins) OR h.rolname = ANY (p_more)
        WHERE r.rolname ~ '^lua_' AND pg_has_role(h.oid, r.oid, 'MEMBER')
        UNION ALL SELECT m.duty FROM unnest(p_more) AS m (duty)
        UNION ALL SELECT 'approver' FROM lua.approver_key k WHERE k.logins::name[] && p_logins AND k.revoked_at IS NULL
        UNION ALL SELECT 'keys' WHERE cardinality(lua.key_ways(p_logins, p_at)) > 0
    ) AS d
$$;
COMMENT ON COLUMN lua.duty_rule.one IS 'Duties: a group role, or one of approver (has a key to approve with), keys (could open what is sealed: lua.key_ways)';
REVOKE ALL ON FUNCTION lua.key_ways(name[], timestamptz) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION lua.key_ways(name[], timestamptz) TO lua_definer;
RESET ROLE;

-- As before, by rules that count.
CREATE OR REPLACE FUNCTION lua.check_duties(p_person uuid, p_more text[], p_at timestamptz DEFAULT now()) RETURNS boolean
    LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = '' AS $$
DECLARE
    logins name[] := ARRAY(SELECT l.login FROM lua.person_login l WHERE l.person_id = p_person AND l.ended_at IS NULL);
    had text[] := lua.duties_of(logins, '{}', p_at);
    has text[] := lua.duties_of(logins, p_more, p_at);
    fresh text[] := ARRAY(SELECT h.duty FROM unnest(has) AS h (duty) WHERE h.duty <> ALL (had));
    broken record;
BEGIN
    SELECT r.rule, r.why INTO broken FROM lua.duty_rule r
    WHERE r.one && has AND r.other && has AND (r.one || r.other) && fresh AND r.ended_at IS NULL
      AND NOT EXISTS (SELECT FROM lua.duty_waiver w WHERE w.rule = r.rule AND w.person_id = p_person
                      AND w.expires_on >= (p_at AT TIME ZONE 'UTC')::date)
    ORDER BY r.rule LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'duty rule % forbids it: %', broken.rule, broken.why USING ERRCODE = 'insufficient_privilege';
    END IF;
    RETURN true;
END $$;

-- As before, by rules that count, and with what keys come from.
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
    ), broken AS (
        SELECT r.rule, d.person_id, d.handle, d.logins, r.why, s.side, array_agg(h.said ORDER BY h.said) AS said
        FROM duty d JOIN lua.duty_rule r ON r.one && d.duties AND r.other && d.duties AND r.ended_at IS NULL
        CROSS JOIN LATERAL (VALUES (1, r.one), (2, r.other)) AS s (side, duties)
        CROSS JOIN LATERAL (SELECT unnest(s.duties) INTERSECT SELECT unnest(d.duties)) AS b (duty)
        CROSS JOIN LATERAL (
            SELECT b.duty WHERE b.duty <> 'keys'
            UNION ALL SELECT 'keys: ' || w.way FROM unnest(lua.key_ways(d.logins, p_at)) AS w (way) WHERE b.duty = 'keys') AS h (said)
        GROUP BY r.rule, d.person_id, d.handle, d.logins, r.why, s.side
    )
    SELECT o.rule, o.handle, o.logins, o.said, t.said, o.why, v.waiver_id, v.expires_on
    FROM broken o JOIN broken t ON t.rule = o.rule AND t.logins = o.logins AND t.side = 2
    LEFT JOIN LATERAL (
        SELECT w.waiver_id, w.expires_on FROM lua.duty_waiver w
        WHERE w.rule = o.rule AND w.person_id = o.person_id AND w.expires_on >= (p_at AT TIME ZONE 'UTC')::date
        ORDER BY w.expires_on DESC LIMIT 1) AS v ON true
    WHERE o.side = 1
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

CREATE FUNCTION lua.add_duty_rule(p_rule text, p_one text[], p_other text[], p_why text, p_at timestamptz, p_entry uuid) RETURNS boolean
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $$
DECLARE
    known text[] := ARRAY['lua_admin', 'lua_operator', 'lua_responder', 'lua_auditor', 'lua_dpo', 'lua_accounting', 'lua_app', 'lua_ai',
                          'approver', 'keys'];
BEGIN
    PERFORM lua.require_time(p_at);
    IF NOT p_one <@ known OR NOT p_other <@ known OR p_one && p_other THEN
        RAISE EXCEPTION 'a rule keeps apart group roles, approver and keys, none of them from itself' USING ERRCODE = 'check_violation';
    END IF;
    INSERT INTO lua.duty_rule (rule, one, other, why, added_by, added_at, entry_id)
    VALUES (p_rule, p_one, p_other, p_why, session_user, p_at, p_entry);
    RETURN true;
END $$;
COMMENT ON FUNCTION lua.add_duty_rule IS 'Adds a rule of the house''s own; whoever breaks it already is found by lua.duty_findings';

CREATE FUNCTION lua.end_duty_rule(p_rule text, p_at timestamptz, p_entry uuid) RETURNS boolean
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $$
BEGIN
    PERFORM lua.require_time(p_at);
    UPDATE lua.duty_rule r SET ended_at = greatest(p_at, r.added_at), entry_id = p_entry
    WHERE r.rule = p_rule AND r.added_at IS NOT NULL AND r.ended_at IS NULL;
    RETURN FOUND;
END $$;
COMMENT ON FUNCTION lua.end_duty_rule IS 'Ends a rule of the house''s own; false: it has ended, or is one that is delivered';

DO $owners$
DECLARE
    f regprocedure;
BEGIN
    FOREACH f IN ARRAY ARRAY['lua.add_duty_rule(text, text[], text[], text, timestamptz, uuid)',
                             'lua.end_duty_rule(text, timestamptz, uuid)']::regprocedure[] LOOP
        EXECUTE format('ALTER FUNCTION %s OWNER TO lua_definer', f);
        EXECUTE format('REVOKE ALL ON FUNCTION %s FROM PUBLIC', f);
        EXECUTE format('GRANT EXECUTE ON FUNCTION %s TO lua_dpo', f);
    END LOOP;
END
$owners$;
