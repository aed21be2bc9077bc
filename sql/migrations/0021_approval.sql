-- Approvals: what one login asks for, another answers, signed with a key of their own (docs/design/approval.md).
-- They belong to no tenant: a request says in its own words what it is about, and names no person.
SET LOCAL ROLE lua_owner;

CREATE TABLE lua.approval_rule (
    action        text PRIMARY KEY CHECK (action ~ '^[a-z][a-z-]*(\.[a-z][a-z-]*)+$'),
    approvals     smallint NOT NULL CHECK (approvals BETWEEN 0 AND 9),
    from_subjects integer NOT NULL DEFAULT 0 CHECK (from_subjects >= 0),
    roles         text[] NOT NULL CHECK (cardinality(roles) > 0 AND array_position(roles, NULL) IS NULL
        AND roles <@ ARRAY['lua_admin', 'lua_operator', 'lua_responder', 'lua_auditor', 'lua_dpo', 'lua_accounting', 'outside']),
    valid_hours   integer NOT NULL DEFAULT 72 CHECK (valid_hours BETWEEN 1 AND 8760),
    drift_rows    integer NOT NULL DEFAULT 20 CHECK (drift_rows >= 0),
    drift_percent integer NOT NULL DEFAULT 5 CHECK (drift_percent BETWEEN 0 AND 100),
    set_by        text,
    set_at        timestamptz,
    entry_id      uuid,
    CHECK (num_nulls(set_by, set_at, entry_id) IN (0, 3))
);
COMMENT ON TABLE lua.approval_rule IS 'Which action needs how many approvals, by whom';
COMMENT ON COLUMN lua.approval_rule.from_subjects IS 'Fewer people than this need no approval';
COMMENT ON COLUMN lua.approval_rule.roles IS 'An approver has one of these; outside: a registered key that belongs to no login';
COMMENT ON COLUMN lua.approval_rule.drift_rows IS 'Each count of the plan may differ by so many rows or by drift_percent, whichever is more';
COMMENT ON COLUMN lua.approval_rule.set_by IS 'Null: as delivered';
INSERT INTO lua.approval_rule (action, approvals, from_subjects, roles) VALUES
    ('erasure.run', 1, 10, '{lua_dpo,lua_admin,outside}'),
    ('hold.release', 1, 0, '{lua_dpo,lua_admin,outside}'),
    ('retention.purge', 0, 0, '{lua_dpo,lua_admin,outside}'),
    ('tenant.terminate', 1, 0, '{lua_dpo,lua_admin,outside}');

CREATE TABLE lua.approver_key (
    vkey          text PRIMARY KEY CHECK (vkey ~ '^[^ +]+\+[0-9a-f]{8}\+[A-Za-z0-9+/=]+$' AND length(vkey) <= 400),
    person        text NOT NULL CHECK (person <> '' AND length(person) <= 200),
    logins        text[] NOT NULL CHECK (array_position(logins, NULL) IS NULL),
    registered_by text NOT NULL,
    registered_at timestamptz NOT NULL,
    entry_id      uuid NOT NULL,
    revoked_by    text,
    revoked_at    timestamptz,
    revoke_entry  uuid,
    CHECK (num_nulls(revoked_by, revoked_at, revoke_entry) IN (0, 3))
);
COMMENT ON TABLE lua.approver_key IS 'Public keys by which approvals are judged, and whose they are; never removed';
COMMENT ON COLUMN lua.approver_key.person IS 'Who holds the secret half: known by this name to colleagues and auditors';
COMMENT ON COLUMN lua.approver_key.logins IS 'All logins of that person: none of their requests can be answered with it. Empty: outside';

CREATE TABLE lua.approval (
    approval_id  uuid PRIMARY KEY,
    action       text NOT NULL REFERENCES lua.approval_rule,
    target       text NOT NULL CHECK (target <> '' AND length(target) <= 300),
    request      bytea NOT NULL CHECK (length(request) <= 32768),
    needed       smallint NOT NULL CHECK (needed BETWEEN 1 AND 9),
    roles        text[] NOT NULL,
    requested_by text NOT NULL,
    requested_at timestamptz NOT NULL,
    expires_at   timestamptz NOT NULL,
    entry_id     uuid NOT NULL,
    used_at      timestamptz,
    finished_at  timestamptz,
    void_at      timestamptz,
    void_reason  text CHECK (void_reason <> '' AND length(void_reason) <= 500),
    CHECK (expires_at > requested_at),
    CHECK (finished_at IS NULL OR used_at IS NOT NULL),
    CHECK ((void_at IS NULL) = (void_reason IS NULL)),
    CHECK (void_at IS NULL OR used_at IS NULL),
    -- What searches go by is what was signed, else one request could be shown and another approved.
    CHECK (convert_from(request, 'UTF8')::jsonb @> jsonb_build_object(
        'v', 1, 'id', approval_id, 'action', action, 'target', target, 'requested_by', requested_by))
);
COMMENT ON TABLE lua.approval IS 'Requests: the canonical bytes that approvers sign, and what became of them';
COMMENT ON COLUMN lua.approval.target IS 'What the action would act on: a second request for it replaces the first';
CREATE INDEX approval_open ON lua.approval (requested_by, action, target) WHERE finished_at IS NULL AND void_at IS NULL;

CREATE TABLE lua.approval_answer (
    approval_id uuid NOT NULL REFERENCES lua.approval,
    vkey        text NOT NULL REFERENCES lua.approver_key,
    granted     boolean NOT NULL,
    note        text NOT NULL CHECK (length(note) <= 65536),
    recorded_by text NOT NULL,
    recorded_at timestamptz NOT NULL,
    entry_id    uuid NOT NULL,
    PRIMARY KEY (approval_id, vkey)
);
COMMENT ON TABLE lua.approval_answer IS 'Answers: the signed notes, one a key; the database cannot check signatures, luactl does';

GRANT SELECT ON lua.approval_rule, lua.approver_key, lua.approval, lua.approval_answer
    TO lua_admin, lua_operator, lua_responder, lua_auditor, lua_dpo, lua_accounting;
GRANT SELECT, UPDATE (approvals, from_subjects, roles, valid_hours, drift_rows, drift_percent, set_by, set_at, entry_id)
    ON lua.approval_rule TO lua_definer;
GRANT SELECT, INSERT, UPDATE (revoked_by, revoked_at, revoke_entry) ON lua.approver_key TO lua_definer;
GRANT SELECT, INSERT, UPDATE (used_at, finished_at, void_at, void_reason) ON lua.approval TO lua_definer;
GRANT SELECT, INSERT ON lua.approval_answer TO lua_definer;
RESET ROLE;

CREATE FUNCTION lua.set_approval_rule(
    p_action text, p_approvals smallint, p_from integer, p_roles text[], p_hours integer, p_rows integer, p_percent integer,
    p_at timestamptz, p_entry uuid
) RETURNS bigint LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $$
DECLARE
    touched bigint;
BEGIN
    PERFORM lua.require_time(p_at);
    UPDATE lua.approval_rule r SET approvals = p_approvals, from_subjects = p_from, roles = p_roles, valid_hours = p_hours,
        drift_rows = p_rows, drift_percent = p_percent, set_by = session_user, set_at = p_at, entry_id = p_entry
    WHERE r.action = p_action;
    GET DIAGNOSTICS touched = ROW_COUNT;
    RETURN touched;
END $$;

CREATE FUNCTION lua.add_approver_key(p_vkey text, p_person text, p_logins text[], p_at timestamptz, p_entry uuid)
    RETURNS text LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $$
BEGIN
    PERFORM lua.require_time(p_at);
    INSERT INTO lua.approver_key (vkey, person, logins, registered_by, registered_at, entry_id)
    VALUES (p_vkey, p_person, p_logins, session_user, p_at, p_entry);
    RETURN p_vkey;
END $$;

CREATE FUNCTION lua.revoke_approver_key(p_vkey text, p_at timestamptz, p_entry uuid) RETURNS bigint
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $$
DECLARE
    touched bigint;
BEGIN
    PERFORM lua.require_time(p_at);
    UPDATE lua.approver_key k SET revoked_by = session_user, revoked_at = p_at, revoke_entry = p_entry
    WHERE k.vkey = p_vkey AND k.revoked_at IS NULL;
    GET DIAGNOSTICS touched = ROW_COUNT;
    RETURN touched;
END $$;

-- How many approvals, by whom, for how long: fixed when it is asked for, so that a rule changed later changes nothing.
CREATE FUNCTION lua.request_approval(p_id uuid, p_request bytea, p_at timestamptz, p_expires timestamptz, p_entry uuid)
    RETURNS smallint LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $$
DECLARE
    said jsonb := convert_from(p_request, 'UTF8')::jsonb;
    rule lua.approval_rule;
BEGIN
    PERFORM lua.require_time(p_at);
    SELECT * INTO rule FROM lua.approval_rule r WHERE r.action = said ->> 'action';
    IF rule.approvals IS NULL OR rule.approvals = 0 OR p_expires > p_at + make_interval(hours => rule.valid_hours)
       OR (said -> 'bound' ->> 'rows')::integer > rule.drift_rows
       OR (said -> 'bound' ->> 'percent')::integer > rule.drift_percent THEN
        RAISE EXCEPTION 'the rule for % does not allow such a request', said ->> 'action' USING ERRCODE = 'check_violation';
    END IF;
    INSERT INTO lua.approval (approval_id, action, target, request, needed, roles, requested_by, requested_at, expires_at,
                              entry_id)
    VALUES (p_id, rule.action, said ->> 'target', p_request, rule.approvals, rule.roles, session_user, p_at, p_expires,
            p_entry);
    RETURN rule.approvals;
END $$;
COMMENT ON FUNCTION lua.request_approval IS 'Stores a request in the name of the login; returns how many approvals it needs';

-- Never by the requester, whichever of their logins they use, as far as registered keys tell. One answer a person.
CREATE FUNCTION lua.answer_approval(
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
    IF asked.requested_by = ANY (by_key.logins) THEN
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
COMMENT ON FUNCTION lua.answer_approval IS 'Records a signed answer in the name of the login; the signature itself luactl checks';

-- Once, by whoever asked, while it holds. What takes several transactions is used first and finished last; in between
-- the same login may go on with it for a week, even past the end of its time.
CREATE FUNCTION lua.use_approval(p_id uuid, p_finish boolean, p_at timestamptz) RETURNS boolean
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $$
DECLARE
    asked lua.approval;
BEGIN
    PERFORM lua.require_time(p_at);
    SELECT * INTO asked FROM lua.approval a WHERE a.approval_id = p_id FOR UPDATE;
    IF asked.approval_id IS NULL OR asked.requested_by <> session_user OR asked.finished_at IS NOT NULL
       OR asked.void_at IS NOT NULL OR (asked.used_at IS NULL AND asked.expires_at <= p_at)
       OR asked.used_at + interval '7 days' <= p_at
       OR EXISTS (SELECT FROM lua.approval_answer w WHERE w.approval_id = p_id AND NOT w.granted)
       OR (SELECT count(*) FROM lua.approval_answer w WHERE w.approval_id = p_id) < asked.needed THEN
        RAISE EXCEPTION 'approval % is not there to be used: not granted, used, void, expired or another''s', p_id
            USING ERRCODE = 'insufficient_privilege';
    END IF;
    UPDATE lua.approval a SET used_at = coalesce(a.used_at, p_at), finished_at = CASE WHEN p_finish THEN p_at END
    WHERE a.approval_id = p_id;
    RETURN p_finish;
END $$;
COMMENT ON FUNCTION lua.use_approval IS 'Takes a granted approval for the login that asked for it; true: for good';

CREATE FUNCTION lua.void_approval(p_id uuid, p_reason text, p_at timestamptz) RETURNS bigint
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $$
DECLARE
    touched bigint;
BEGIN
    PERFORM lua.require_time(p_at);
    UPDATE lua.approval a SET void_at = p_at, void_reason = p_reason
    WHERE a.approval_id = p_id AND a.requested_by = session_user AND a.used_at IS NULL AND a.void_at IS NULL;
    GET DIAGNOSTICS touched = ROW_COUNT;
    RETURN touched;
END $$;
COMMENT ON FUNCTION lua.void_approval IS 'Takes back a request of the login that was not used yet; returns how many: 1 or 0';

DO $owners$
DECLARE
    f regprocedure;
BEGIN
    FOREACH f IN ARRAY ARRAY[
        'lua.set_approval_rule(text, smallint, integer, text[], integer, integer, integer, timestamptz, uuid)',
        'lua.add_approver_key(text, text, text[], timestamptz, uuid)', 'lua.revoke_approver_key(text, timestamptz, uuid)',
        'lua.request_approval(uuid, bytea, timestamptz, timestamptz, uuid)',
        'lua.answer_approval(uuid, text, boolean, text, timestamptz, uuid)',
        'lua.use_approval(uuid, boolean, timestamptz)', 'lua.void_approval(uuid, text, timestamptz)']::regprocedure[]
    LOOP
        EXECUTE format('ALTER FUNCTION %s OWNER TO lua_definer', f);
        EXECUTE format('REVOKE ALL ON FUNCTION %s FROM PUBLIC', f);
    END LOOP;
END
$owners$;
GRANT EXECUTE ON FUNCTION
    lua.set_approval_rule(text, smallint, integer, text[], integer, integer, integer, timestamptz, uuid) TO lua_dpo;
GRANT EXECUTE ON FUNCTION lua.add_approver_key(text, text, text[], timestamptz, uuid),
    lua.revoke_approver_key(text, timestamptz, uuid) TO lua_admin, lua_dpo;
GRANT EXECUTE ON FUNCTION lua.request_approval(uuid, bytea, timestamptz, timestamptz, uuid),
    lua.answer_approval(uuid, text, boolean, text, timestamptz, uuid), lua.use_approval(uuid, boolean, timestamptz),
    lua.void_approval(uuid, text, timestamptz)
    TO lua_admin, lua_operator, lua_responder, lua_auditor, lua_dpo, lua_accounting;
