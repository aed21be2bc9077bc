-- Separation of duties: what nobody may have both. Asked when something is granted, and every night (docs/how-to/separation-of-duties.md).
SET LOCAL ROLE lua_owner;

CREATE TABLE lua.duty_rule (
    rule  text PRIMARY KEY CHECK (rule ~ '^[a-z]+(-[a-z]+)*$' AND length(rule) <= 63),
    one   text[] NOT NULL CHECK (cardinality(one) > 0 AND array_position(one, NULL) IS NULL),
    other text[] NOT NULL CHECK (cardinality(other) > 0 AND array_position(other, NULL) IS NULL),
    why   text NOT NULL CHECK (why <> '' AND length(why) <= 200),
    CHECK (NOT one && other)
);
COMMENT ON TABLE lua.duty_rule IS 'Rules of separation: nobody has a duty of one side and a duty of the other';
COMMENT ON COLUMN lua.duty_rule.one IS 'Duties: a group role, or one of approver (has a key to approve with), keys (has keys released, or registered a holder of the root)';
INSERT INTO lua.duty_rule (rule, one, other, why) VALUES
    ('auditor-writes', '{lua_auditor}', '{lua_admin,lua_operator,lua_responder,lua_dpo,lua_accounting}',
     'who audits changes nothing of what is audited'),
    ('admin-holds-keys', '{lua_admin}', '{keys}', 'who lets others in to data cannot open them'),
    ('requests-and-approves', '{lua_operator}', '{approver}', 'who does what needs approval does not approve it');

CREATE TABLE lua.duty_waiver (
    waiver_id   uuid PRIMARY KEY,
    rule        text NOT NULL REFERENCES lua.duty_rule,
    person_id   uuid NOT NULL REFERENCES lua.person,
    reason      text NOT NULL CHECK (reason <> '' AND length(reason) <= 200),
    approval_id uuid NOT NULL UNIQUE REFERENCES lua.approval,
    waived_by   text NOT NULL,
    waived_at   timestamptz NOT NULL,
    expires_on  date NOT NULL,
    entry_id    uuid NOT NULL,
    CHECK (expires_on >= (waived_at AT TIME ZONE 'UTC')::date AND expires_on <= (waived_at AT TIME ZONE 'UTC')::date + 366)
);
COMMENT ON TABLE lua.duty_waiver IS 'For whom a rule does not hold for a time, why, and who approved that; never removed';
COMMENT ON COLUMN lua.duty_waiver.approval_id IS 'The approval by somebody else; each is good for one waiver';
COMMENT ON COLUMN lua.duty_waiver.expires_on IS 'The last day on which it counts, UTC; at most a year';
CREATE INDEX duty_waiver_person ON lua.duty_waiver (person_id, rule);

GRANT SELECT ON lua.duty_rule, lua.duty_waiver TO lua_admin, lua_operator, lua_responder, lua_auditor, lua_dpo, lua_accounting, lua_definer;
GRANT INSERT ON lua.duty_waiver TO lua_definer;
INSERT INTO lua.approval_rule (action, approvals, from_subjects, roles) VALUES ('duty.waive', 1, 0, '{lua_dpo,lua_admin,outside}');

-- A membership counts whatever its options are: what is only administered is one statement away.
CREATE FUNCTION lua.duties_of(p_logins name[], p_more text[], p_at timestamptz) RETURNS text[]
    LANGUAGE sql STABLE SET search_path = '' AS $$
    SELECT coalesce(array_agg(DISTINCT d.duty ORDER BY d.duty), '{}') FROM (
        SELECT r.rolname::text AS duty
        FROM pg_catalog.pg_roles r JOIN pg_catalog.pg_roles h ON h.rolname = ANY (p_logins) OR h.rolname = ANY (p_more)
        WHERE r.rolname ~ '^lua_' AND pg_has_role(h.oid, r.oid, 'MEMBER')
        UNION ALL SELECT m.duty FROM unnest(p_more) AS m (duty)
        UNION ALL SELECT 'approver' FROM lua.approver_key k WHERE k.logins::name[] && p_logins AND k.revoked_at IS NULL
        UNION ALL SELECT 'keys' FROM vault.release v WHERE v.person = ANY (p_logins::text[]) AND v.ended_at IS NULL AND v.expires_at > p_at
        UNION ALL SELECT 'keys' FROM vault.place h WHERE h.registered_by = ANY (p_logins::text[]) AND h.kind = 'holder' AND h.retired_at IS NULL
    ) AS d
$$;
COMMENT ON FUNCTION lua.duties_of IS 'Group roles of these logins together, and of roles that they are to get, and whether they approve or hold keys';
REVOKE ALL ON FUNCTION lua.duties_of(name[], text[], timestamptz) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION lua.duties_of(name[], text[], timestamptz) TO lua_definer;
RESET ROLE;

-- What was broken before is the nightly check's to find: a duty that comes new is refused, and so is one that comes on top.
CREATE FUNCTION lua.check_duties(p_person uuid, p_more text[], p_at timestamptz DEFAULT now()) RETURNS boolean
    LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = '' AS $$
DECLARE
    logins name[] := ARRAY(SELECT l.login FROM lua.person_login l WHERE l.person_id = p_person AND l.ended_at IS NULL);
    had text[] := lua.duties_of(logins, '{}', p_at);
    has text[] := lua.duties_of(logins, p_more, p_at);
    fresh text[] := ARRAY(SELECT h.duty FROM unnest(has) AS h (duty) WHERE h.duty <> ALL (had));
    broken record;
BEGIN
    SELECT r.rule, r.why INTO broken FROM lua.duty_rule r
    WHERE r.one && has AND r.other && has AND (r.one || r.other) && fresh
      AND NOT EXISTS (SELECT FROM lua.duty_waiver w WHERE w.rule = r.rule AND w.person_id = p_person
                      AND w.expires_on >= (p_at AT TIME ZONE 'UTC')::date)
    ORDER BY r.rule LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'duty rule % forbids it: %', broken.rule, broken.why USING ERRCODE = 'insufficient_privilege';
    END IF;
    RETURN true;
END $$;
COMMENT ON FUNCTION lua.check_duties IS 'True, or an error with the rule''s name: whether a person may get these roles or duties besides what all their logins have';

CREATE FUNCTION lua.check_duties_of_logins(p_logins name[], p_more text[], p_at timestamptz) RETURNS boolean
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = '' AS $$
    SELECT coalesce(bool_and(lua.check_duties(f.person_id, p_more, p_at)), true)
    FROM (SELECT DISTINCT lua.person_of(l.login) FROM unnest(p_logins) AS l (login)) AS f (person_id)
    WHERE f.person_id IS NOT NULL
$$;
COMMENT ON FUNCTION lua.check_duties_of_logins IS 'The same for the people whose logins these are; a login of nobody is left to the nightly check';

-- Somebody's logins count together; a login that nobody is registered for counts by itself.
CREATE FUNCTION lua.duty_findings(p_at timestamptz)
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
    ORDER BY 1, 2, 3
$$;
COMMENT ON FUNCTION lua.duty_findings IS 'Who has duties that a rule keeps apart, waived or not; and who answered a request of their own by another login';

CREATE FUNCTION lua.waive_duty(
    p_id uuid, p_rule text, p_person uuid, p_reason text, p_until date, p_approval uuid, p_at timestamptz, p_entry uuid
) RETURNS boolean LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $$
DECLARE
    asked lua.approval;
    said jsonb;
BEGIN
    PERFORM lua.require_time(p_at);
    IF p_person = lua.person_of(session_user::name) THEN
        RAISE EXCEPTION 'nobody waives a rule for themselves' USING ERRCODE = 'insufficient_privilege';
    END IF;
    SELECT * INTO asked FROM lua.approval a
    WHERE a.approval_id = p_approval AND a.action = 'duty.waive' AND a.requested_by = session_user AND a.finished_at IS NOT NULL;
    said := convert_from(asked.request, 'UTF8')::jsonb -> 'exact';
    IF said IS NULL OR said ->> 'rule' <> p_rule OR said ->> 'person' <> p_person::text OR said ->> 'until' <> p_until::text
       OR said ->> 'reason' <> p_reason THEN
        RAISE EXCEPTION 'no approval was taken for this very waiver' USING ERRCODE = 'insufficient_privilege';
    END IF;
    IF EXISTS (SELECT FROM lua.approval_answer w JOIN lua.approver_key k ON k.vkey = w.vkey, unnest(k.logins) AS l (login)
               WHERE w.approval_id = p_approval AND lua.person_of(l.login::name) = p_person) THEN
        RAISE EXCEPTION 'nobody approves a waiver for themselves' USING ERRCODE = 'insufficient_privilege';
    END IF;
    INSERT INTO lua.duty_waiver (waiver_id, rule, person_id, reason, approval_id, waived_by, waived_at, expires_on, entry_id)
    VALUES (p_id, p_rule, p_person, p_reason, p_approval, session_user, p_at, p_until, p_entry);
    RETURN true;
END $$;
COMMENT ON FUNCTION lua.waive_duty IS 'Takes a rule off a person until a day, by an approval that was taken in the same transaction or before';

-- As before, and by no key of whoever has a duty that keeps apart from approving.
CREATE OR REPLACE FUNCTION lua.add_approver_key(p_vkey text, p_person text, p_logins text[], p_at timestamptz, p_entry uuid)
    RETURNS text LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $$
BEGIN
    PERFORM lua.require_time(p_at), lua.check_duties_of_logins(p_logins::name[], '{approver}', p_at);
    INSERT INTO lua.approver_key (vkey, person, logins, registered_by, registered_at, entry_id)
    VALUES (p_vkey, p_person, p_logins, session_user, p_at, p_entry);
    RETURN p_vkey;
END $$;

-- As before, and by none of the logins that the register knows for whoever asked.
CREATE OR REPLACE FUNCTION lua.answer_approval(
    p_id uuid, p_vkey text, p_granted boolean, p_note text, p_at timestamptz, p_entry uuid
) RETURNS boolean LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $$
DECLARE
    asked lua.approval;
    by_key lua.approver_key;
    may boolean;
BEGIN
    PERFORM lua.require_time(p_at);
    SELECT * INTO asked FROM lua.approval a WHERE a.approval_id = p_id FOR UPDATE;
    SELECT * INTO by_key FROM lua.approver_key k WHERE k.vkey = p_vkey AND k.revoked_at IS NULL;
    IF asked.approval_id IS NULL OR asked.used_at IS NOT NULL OR asked.void_at IS NOT NULL OR asked.expires_at <= p_at
       OR EXISTS (SELECT FROM lua.approval_answer w WHERE w.approval_id = p_id AND NOT w.granted)
       OR (SELECT count(*) FROM lua.approval_answer w WHERE w.approval_id = p_id) >= asked.needed THEN
        RAISE EXCEPTION 'the request is not waiting for an answer' USING ERRCODE = 'object_not_in_prerequisite_state';
    END IF;
    IF by_key.vkey IS NULL THEN
        RAISE EXCEPTION 'no such key is registered, or it was revoked' USING ERRCODE = 'insufficient_privilege';
    END IF;
    IF asked.requested_by = ANY (by_key.logins) OR lua.person_of(asked.requested_by::name) = lua.person_of(session_user::name) THEN
        RAISE EXCEPTION 'nobody answers their own request' USING ERRCODE = 'insufficient_privilege';
    END IF;
    IF cardinality(by_key.logins) > 0 AND session_user <> ALL (by_key.logins) THEN
        RAISE EXCEPTION 'the key belongs to another login' USING ERRCODE = 'insufficient_privilege';
    END IF;
    may := CASE WHEN cardinality(by_key.logins) = 0 THEN 'outside' = ANY (asked.roles)
                ELSE EXISTS (SELECT FROM unnest(asked.roles) AS r(name)
                             WHERE r.name <> 'outside' AND pg_has_role(session_user, r.name, 'MEMBER')) END;
    IF NOT may THEN
        RAISE EXCEPTION 'the rule wants an approver who is one of %', array_to_string(asked.roles, ', ')
            USING ERRCODE = 'insufficient_privilege';
    END IF;
    IF EXISTS (SELECT FROM lua.approval_answer w JOIN lua.approver_key k ON k.vkey = w.vkey
               WHERE w.approval_id = p_id AND (k.person = by_key.person OR k.logins && by_key.logins)) THEN
        RAISE EXCEPTION 'this person has answered already' USING ERRCODE = 'unique_violation';
    END IF;
    INSERT INTO lua.approval_answer (approval_id, vkey, granted, note, recorded_by, recorded_at, entry_id)
    VALUES (p_id, p_vkey, p_granted, p_note, session_user, p_at, p_entry);
    RETURN p_granted;
END $$;

DO $owners$
DECLARE
    f regprocedure;
BEGIN
    FOREACH f IN ARRAY ARRAY[
        'lua.check_duties(uuid, text[], timestamptz)', 'lua.check_duties_of_logins(name[], text[], timestamptz)',
        'lua.duty_findings(timestamptz)', 'lua.waive_duty(uuid, text, uuid, text, date, uuid, timestamptz, uuid)']::regprocedure[]
    LOOP
        EXECUTE format('ALTER FUNCTION %s OWNER TO lua_definer', f);
        EXECUTE format('REVOKE ALL ON FUNCTION %s FROM PUBLIC', f);
    END LOOP;
END
$owners$;
GRANT EXECUTE ON FUNCTION lua.check_duties(uuid, text[], timestamptz) TO lua_admin, lua_dpo, lua_rolekeeper;
GRANT EXECUTE ON FUNCTION lua.check_duties_of_logins(name[], text[], timestamptz) TO lua_admin, lua_dpo, lua_rolekeeper;
GRANT EXECUTE ON FUNCTION lua.duty_findings(timestamptz) TO lua_admin, lua_operator, lua_responder, lua_auditor, lua_dpo;
GRANT EXECUTE ON FUNCTION lua.waive_duty(uuid, text, uuid, text, date, uuid, timestamptz, uuid) TO lua_admin, lua_dpo;
