-- People and jobs: who they are, which login is whose, what they signed, which policies they know (docs/design/people.md).
-- They work for Lua CRM itself and belong to no tenant. Handles are what commands take; the ledger names people by their ids.
SET LOCAL ROLE lua_owner;

CREATE TABLE lua.person (
    person_id  uuid PRIMARY KEY,
    handle     text NOT NULL UNIQUE CHECK (handle ~ '^[a-z0-9]+([.-][a-z0-9]+)*$' AND length(handle) <= 63),
    name       text NOT NULL CHECK (name <> '' AND length(name) <= 200),
    kind       text NOT NULL CHECK (kind IN ('employee', 'contractor', 'job')),
    manager    uuid REFERENCES lua.person,
    started_on date NOT NULL,
    ended_at   timestamptz,
    entry_id   uuid NOT NULL,
    CHECK (manager <> person_id),
    CHECK (kind <> 'job' OR manager IS NOT NULL)
);
COMMENT ON TABLE lua.person IS 'Who works for Lua CRM, and jobs that work by themselves; never removed, since the ledger goes on naming them';
COMMENT ON COLUMN lua.person.handle IS 'What commands take, such as anna.berger; it never changes';
COMMENT ON COLUMN lua.person.kind IS 'employee, contractor; job: a program, for which its manager answers';
COMMENT ON COLUMN lua.person.manager IS 'Never a job; functions keep the chain of managers free of circles';
COMMENT ON COLUMN lua.person.ended_at IS 'Null: in force';
COMMENT ON COLUMN lua.person.entry_id IS 'The ledger entry of the last change';
CREATE INDEX person_manager ON lua.person (manager) WHERE ended_at IS NULL;

CREATE TABLE lua.person_team (
    person_id uuid NOT NULL REFERENCES lua.person,
    team      text NOT NULL CHECK (team ~ '^[a-z0-9]+(-[a-z0-9]+)*$' AND length(team) <= 63),
    PRIMARY KEY (person_id, team)
);
COMMENT ON TABLE lua.person_team IS 'Which teams somebody belongs to; rules that choose reviewers go by it';

CREATE TABLE lua.person_login (
    login     name PRIMARY KEY CHECK (login !~ '^lua_'),
    person_id uuid NOT NULL REFERENCES lua.person,
    since     timestamptz NOT NULL,
    ended_at  timestamptz,
    entry_id  uuid NOT NULL,
    CHECK (ended_at >= since)
);
COMMENT ON TABLE lua.person_login IS 'Which Postgres login is whose: one login, one person, also after its end, so that the ledger''s actors stay theirs';
COMMENT ON COLUMN lua.person_login.ended_at IS 'Null: in use';
CREATE INDEX person_login_person ON lua.person_login (person_id);

CREATE TABLE lua.undertaking_basis (
    basis    text PRIMARY KEY CHECK (basis IN ('gdpr-28-3-b', 'stgb-203')),
    required boolean NOT NULL,
    set_by   text,
    set_at   timestamptz,
    entry_id uuid,
    CHECK (num_nulls(set_by, set_at, entry_id) IN (0, 3))
);
COMMENT ON TABLE lua.undertaking_basis IS 'By which laws everybody must be bound: Art. 28(3)(b) GDPR always, s. 203(4) StGB where tenants have medical secrets';
COMMENT ON COLUMN lua.undertaking_basis.set_by IS 'Null: as delivered';
INSERT INTO lua.undertaking_basis (basis, required) VALUES ('gdpr-28-3-b', true), ('stgb-203', false);

CREATE TABLE lua.undertaking (
    undertaking_id uuid PRIMARY KEY,
    person_id      uuid NOT NULL REFERENCES lua.person,
    basis          text NOT NULL REFERENCES lua.undertaking_basis,
    text_version   text NOT NULL CHECK (text_version <> '' AND length(text_version) <= 100),
    signed_on      date NOT NULL,
    expires_on     date,
    withdrawn_at   timestamptz,
    entry_id       uuid NOT NULL,
    CHECK (expires_on >= signed_on)
);
COMMENT ON TABLE lua.undertaking IS 'Undertakings of confidentiality: who signed which text when; never removed';
COMMENT ON COLUMN lua.undertaking.expires_on IS 'The last day on which it binds, UTC; null: until further notice';
COMMENT ON COLUMN lua.undertaking.withdrawn_at IS 'From when on it no longer counts: signed by mistake, or replaced';
CREATE INDEX undertaking_person ON lua.undertaking (person_id, basis);

CREATE TABLE lua.policy (
    policy         text NOT NULL CHECK (policy ~ '^[a-z0-9]+(-[a-z0-9]+)*$' AND length(policy) <= 63),
    version        integer NOT NULL CHECK (version > 0),
    title          text NOT NULL CHECK (title <> '' AND length(title) <= 200),
    body           text NOT NULL CHECK (body <> '' AND octet_length(body) <= 1048576),
    digest         bytea NOT NULL CHECK (digest = sha256(convert_to(body, 'UTF8'))),
    published_at   timestamptz,
    acknowledge_by date,
    retired_at     timestamptz,
    entry_id       uuid NOT NULL,
    PRIMARY KEY (policy, version),
    CHECK ((published_at IS NULL) = (acknowledge_by IS NULL)),
    CHECK (retired_at >= published_at)
);
COMMENT ON TABLE lua.policy IS 'Internal policies and procedures by version; the newest published one that is not retired is in force';
COMMENT ON COLUMN lua.policy.digest IS 'SHA-256 of the body: what an acknowledgement is of';
COMMENT ON COLUMN lua.policy.published_at IS 'Null: a draft, which nobody need know yet';
COMMENT ON COLUMN lua.policy.acknowledge_by IS 'The last day for whoever was there when it was published';

CREATE TABLE lua.policy_acknowledgement (
    policy          text NOT NULL,
    version         integer NOT NULL,
    person_id       uuid NOT NULL REFERENCES lua.person,
    acknowledged_at timestamptz NOT NULL,
    evidence        text CHECK (evidence <> '' AND length(evidence) <= 500),
    recorded_by     text NOT NULL,
    entry_id        uuid NOT NULL,
    PRIMARY KEY (policy, version, person_id),
    FOREIGN KEY (policy, version) REFERENCES lua.policy
);
COMMENT ON TABLE lua.policy_acknowledgement IS 'Who has acknowledged which version; never removed';
COMMENT ON COLUMN lua.policy_acknowledgement.evidence IS 'Null: by the person''s own login; else the paper that an administrator saw';

GRANT SELECT ON lua.person, lua.person_team, lua.person_login, lua.undertaking_basis, lua.undertaking, lua.policy, lua.policy_acknowledgement
    TO lua_admin, lua_operator, lua_responder, lua_auditor, lua_dpo, lua_accounting;
GRANT SELECT, INSERT, UPDATE (name, kind, manager, started_on, ended_at, entry_id) ON lua.person TO lua_definer;
GRANT SELECT, INSERT, DELETE ON lua.person_team TO lua_definer;
GRANT SELECT, INSERT, UPDATE (ended_at, entry_id) ON lua.person_login TO lua_definer;
GRANT SELECT, UPDATE (required, set_by, set_at, entry_id) ON lua.undertaking_basis TO lua_definer;
GRANT SELECT, INSERT, UPDATE (withdrawn_at, entry_id) ON lua.undertaking TO lua_definer;
GRANT SELECT, INSERT, UPDATE (published_at, acknowledge_by, retired_at, entry_id) ON lua.policy TO lua_definer;
GRANT SELECT, INSERT ON lua.policy_acknowledgement TO lua_definer;
RESET ROLE;

CREATE FUNCTION lua.person_of(p_login name) RETURNS uuid
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = '' AS $$
    SELECT p.person_id FROM lua.person_login l JOIN lua.person p ON p.person_id = l.person_id
    WHERE l.login = p_login AND l.ended_at IS NULL AND p.ended_at IS NULL
$$;
COMMENT ON FUNCTION lua.person_of IS 'The person or job in force whose login it is; null: nobody''s';

-- A job is bound by whoever answers for it.
CREATE FUNCTION lua.is_bound(p_person uuid, p_at timestamptz) RETURNS boolean
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = '' AS $$
    SELECT EXISTS (
        SELECT FROM lua.person p JOIN lua.person s ON s.person_id = CASE p.kind WHEN 'job' THEN p.manager ELSE p.person_id END
        WHERE p.person_id = p_person AND (p.ended_at IS NULL OR p.ended_at > p_at) AND (s.ended_at IS NULL OR s.ended_at > p_at)
          AND NOT EXISTS (
              SELECT FROM lua.undertaking_basis b
              WHERE b.required AND NOT EXISTS (
                  SELECT FROM lua.undertaking u
                  WHERE u.person_id = s.person_id AND u.basis = b.basis AND u.signed_on <= (p_at AT TIME ZONE 'UTC')::date
                    AND (u.expires_on IS NULL OR u.expires_on >= (p_at AT TIME ZONE 'UTC')::date)
                    AND (u.withdrawn_at IS NULL OR u.withdrawn_at > p_at))))
$$;
COMMENT ON FUNCTION lua.is_bound IS 'Whether somebody in force has an undertaking in force on every basis that is required; a job: whoever answers for it';

-- Rows of everybody are locked first, in one order, so that two changes at once cannot close a circle between them.
CREATE FUNCTION lua.put_person(
    p_id uuid, p_handle text, p_name text, p_kind text, p_manager uuid, p_started date, p_teams text[], p_at timestamptz, p_entry uuid
) RETURNS boolean LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $$
DECLARE
    before lua.person;
    fresh boolean;
BEGIN
    PERFORM lua.require_time(p_at);
    PERFORM 1 FROM lua.person p ORDER BY p.person_id FOR UPDATE;
    SELECT * INTO before FROM lua.person p WHERE p.person_id = p_id;
    fresh := before.person_id IS NULL;
    IF NOT fresh AND (before.ended_at IS NOT NULL OR before.handle <> p_handle OR (before.kind = 'job') <> (p_kind = 'job')) THEN
        RAISE EXCEPTION 'who has left does not change, nor does a handle, nor does a person become a job' USING ERRCODE = 'check_violation';
    END IF;
    IF p_manager IS NOT NULL AND NOT EXISTS (
        SELECT FROM lua.person m WHERE m.person_id = p_manager AND m.kind <> 'job' AND m.ended_at IS NULL) THEN
        RAISE EXCEPTION 'a manager is a person in force' USING ERRCODE = 'check_violation';
    END IF;
    IF EXISTS (
        WITH RECURSIVE above AS (
            SELECT p_manager AS person_id
            UNION SELECT m.manager FROM above a JOIN lua.person m ON m.person_id = a.person_id)
        SELECT FROM above a WHERE a.person_id = p_id) THEN
        RAISE EXCEPTION 'nobody is their own manager, at however many steps' USING ERRCODE = 'check_violation';
    END IF;
    INSERT INTO lua.person (person_id, handle, name, kind, manager, started_on, entry_id)
    VALUES (p_id, p_handle, p_name, p_kind, p_manager, p_started, p_entry)
    ON CONFLICT (person_id) DO UPDATE SET name = p_name, kind = p_kind, manager = p_manager, started_on = p_started, entry_id = p_entry;
    DELETE FROM lua.person_team t WHERE t.person_id = p_id AND t.team <> ALL (p_teams);
    INSERT INTO lua.person_team (person_id, team) SELECT p_id, u.team FROM unnest(p_teams) AS u (team) ON CONFLICT DO NOTHING;
    RETURN fresh;
END $$;
COMMENT ON FUNCTION lua.put_person IS 'Adds a person or a job, or writes what is said of them anew; whether they are new';

CREATE FUNCTION lua.end_person(p_person uuid, p_at timestamptz, p_entry uuid) RETURNS boolean
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $$
BEGIN
    PERFORM lua.require_time(p_at);
    PERFORM 1 FROM lua.person p ORDER BY p.person_id FOR UPDATE;
    IF EXISTS (SELECT FROM lua.person r WHERE r.manager = p_person AND r.ended_at IS NULL) THEN
        RAISE EXCEPTION 'others are still managed by this person' USING ERRCODE = 'check_violation';
    END IF;
    UPDATE lua.person_login l SET ended_at = greatest(p_at, l.since), entry_id = p_entry WHERE l.person_id = p_person AND l.ended_at IS NULL;
    UPDATE lua.person p SET ended_at = p_at, entry_id = p_entry WHERE p.person_id = p_person AND p.ended_at IS NULL;
    RETURN FOUND;
END $$;
COMMENT ON FUNCTION lua.end_person IS 'Writes down that somebody has left, and that their logins are nobody''s; false: they had left already';

CREATE FUNCTION lua.add_person_login(p_login name, p_person uuid, p_at timestamptz, p_entry uuid) RETURNS boolean
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $$
DECLARE
    owner uuid;
BEGIN
    PERFORM lua.require_time(p_at);
    IF NOT EXISTS (SELECT FROM lua.person p WHERE p.person_id = p_person AND p.ended_at IS NULL) THEN
        RAISE EXCEPTION 'a login belongs to a person or a job in force' USING ERRCODE = 'check_violation';
    END IF;
    SELECT l.person_id INTO owner FROM lua.person_login l WHERE l.login = p_login AND l.ended_at IS NULL;
    IF owner = p_person THEN
        RETURN false;
    END IF;
    INSERT INTO lua.person_login (login, person_id, since, entry_id) VALUES (p_login, p_person, p_at, p_entry);
    RETURN true;
END $$;
COMMENT ON FUNCTION lua.add_person_login IS 'Writes down whose a login is; false: it is known already; an error when it is or was somebody else''s';

CREATE FUNCTION lua.end_person_login(p_login name, p_at timestamptz, p_entry uuid) RETURNS boolean
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $$
BEGIN
    PERFORM lua.require_time(p_at);
    UPDATE lua.person_login l SET ended_at = greatest(p_at, l.since), entry_id = p_entry WHERE l.login = p_login AND l.ended_at IS NULL;
    RETURN FOUND;
END $$;
COMMENT ON FUNCTION lua.end_person_login IS 'Writes down that a login is nobody''s any more; false: it was not';

CREATE FUNCTION lua.require_undertaking(p_basis text, p_required boolean, p_at timestamptz, p_entry uuid) RETURNS boolean
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $$
BEGIN
    PERFORM lua.require_time(p_at);
    IF p_basis = 'gdpr-28-3-b' AND NOT p_required THEN
        RAISE EXCEPTION 'Art. 28(3)(b) GDPR binds everybody' USING ERRCODE = 'check_violation';
    END IF;
    UPDATE lua.undertaking_basis b SET required = p_required, set_by = session_user, set_at = p_at, entry_id = p_entry
    WHERE b.basis = p_basis AND b.required <> p_required;
    RETURN FOUND;
END $$;
COMMENT ON FUNCTION lua.require_undertaking IS 'Sets whether everybody must be bound on a basis; false: it was so already';

CREATE FUNCTION lua.add_undertaking(
    p_id uuid, p_person uuid, p_basis text, p_text_version text, p_signed date, p_expires date, p_at timestamptz, p_entry uuid
) RETURNS uuid LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $$
BEGIN
    PERFORM lua.require_time(p_at);
    IF NOT EXISTS (SELECT FROM lua.person p WHERE p.person_id = p_person AND p.kind <> 'job' AND p.ended_at IS NULL)
       OR p_signed > (p_at AT TIME ZONE 'UTC')::date THEN
        RAISE EXCEPTION 'a person in force has signed it, and not tomorrow' USING ERRCODE = 'check_violation';
    END IF;
    INSERT INTO lua.undertaking (undertaking_id, person_id, basis, text_version, signed_on, expires_on, entry_id)
    VALUES (p_id, p_person, p_basis, p_text_version, p_signed, p_expires, p_entry);
    RETURN p_id;
END $$;
COMMENT ON FUNCTION lua.add_undertaking IS 'Records what a person signed';

CREATE FUNCTION lua.withdraw_undertaking(p_id uuid, p_at timestamptz, p_entry uuid) RETURNS boolean
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $$
BEGIN
    PERFORM lua.require_time(p_at);
    UPDATE lua.undertaking u SET withdrawn_at = p_at, entry_id = p_entry WHERE u.undertaking_id = p_id AND u.withdrawn_at IS NULL;
    RETURN FOUND;
END $$;
COMMENT ON FUNCTION lua.withdraw_undertaking IS 'From here on it binds nobody; false: so it was already';

CREATE FUNCTION lua.add_policy(
    p_policy text, p_version integer, p_title text, p_body text, p_digest bytea, p_at timestamptz, p_entry uuid
) RETURNS integer LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $$
BEGIN
    PERFORM lua.require_time(p_at);
    IF p_version <> coalesce((SELECT max(p.version) FROM lua.policy p WHERE p.policy = p_policy), 0) + 1 THEN
        RAISE EXCEPTION 'the versions of a policy are numbered without a gap' USING ERRCODE = 'check_violation';
    END IF;
    INSERT INTO lua.policy (policy, version, title, body, digest, entry_id)
    VALUES (p_policy, p_version, p_title, p_body, p_digest, p_entry);
    RETURN p_version;
END $$;
COMMENT ON FUNCTION lua.add_policy IS 'Adds the next version of a policy, as a draft';

CREATE FUNCTION lua.publish_policy(p_policy text, p_version integer, p_by date, p_at timestamptz, p_entry uuid) RETURNS boolean
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $$
BEGIN
    PERFORM lua.require_time(p_at);
    IF EXISTS (SELECT FROM lua.policy p WHERE p.policy = p_policy AND p.version > p_version AND p.published_at IS NOT NULL)
       OR p_by < (p_at AT TIME ZONE 'UTC')::date THEN
        RAISE EXCEPTION 'a version is published before its successor, and acknowledged afterwards' USING ERRCODE = 'check_violation';
    END IF;
    UPDATE lua.policy p SET published_at = p_at, acknowledge_by = p_by, entry_id = p_entry
    WHERE p.policy = p_policy AND p.version = p_version AND p.published_at IS NULL;
    RETURN FOUND;
END $$;
COMMENT ON FUNCTION lua.publish_policy IS 'Puts a draft in force in place of the version before; false: it was no draft';

CREATE FUNCTION lua.retire_policy(p_policy text, p_at timestamptz, p_entry uuid) RETURNS bigint
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $$
DECLARE
    touched bigint;
BEGIN
    PERFORM lua.require_time(p_at);
    UPDATE lua.policy p SET retired_at = p_at, entry_id = p_entry
    WHERE p.policy = p_policy AND p.published_at IS NOT NULL AND p.retired_at IS NULL;
    GET DIAGNOSTICS touched = ROW_COUNT;
    RETURN touched;
END $$;
COMMENT ON FUNCTION lua.retire_policy IS 'Takes every published version out of force; how many there were';

CREATE FUNCTION lua.policies_in_force() RETURNS TABLE (policy text, version integer, acknowledge_by date)
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = '' AS $$
    SELECT DISTINCT ON (p.policy) p.policy, p.version, p.acknowledge_by
    FROM lua.policy p WHERE p.published_at IS NOT NULL AND p.retired_at IS NULL
    ORDER BY p.policy, p.version DESC
$$;
COMMENT ON FUNCTION lua.policies_in_force IS 'Of each policy the version that everybody must know';

-- By the person's own login; for others only with what an administrator or the data protection officer has seen on paper.
CREATE FUNCTION lua.acknowledge_policy(
    p_policy text, p_version integer, p_person uuid, p_evidence text, p_at timestamptz, p_entry uuid
) RETURNS boolean LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $$
BEGIN
    PERFORM lua.require_time(p_at);
    IF p_evidence IS NULL AND p_person IS DISTINCT FROM lua.person_of(session_user::name) THEN
        RAISE EXCEPTION 'a policy is acknowledged by one''s own login' USING ERRCODE = 'insufficient_privilege';
    ELSIF p_evidence IS NOT NULL AND NOT (pg_has_role(session_user, 'lua_admin', 'MEMBER') OR pg_has_role(session_user, 'lua_dpo', 'MEMBER')) THEN
        RAISE EXCEPTION 'for others lua_admin or lua_dpo records what was signed on paper' USING ERRCODE = 'insufficient_privilege';
    ELSIF NOT EXISTS (SELECT FROM lua.person p WHERE p.person_id = p_person AND p.kind <> 'job' AND p.ended_at IS NULL)
          OR NOT EXISTS (SELECT FROM lua.policies_in_force() f WHERE f.policy = p_policy AND f.version = p_version) THEN
        RAISE EXCEPTION 'a person in force acknowledges a policy in force' USING ERRCODE = 'check_violation';
    END IF;
    INSERT INTO lua.policy_acknowledgement (policy, version, person_id, acknowledged_at, evidence, recorded_by, entry_id)
    VALUES (p_policy, p_version, p_person, p_at, p_evidence, session_user, p_entry) ON CONFLICT DO NOTHING;
    RETURN FOUND;
END $$;
COMMENT ON FUNCTION lua.acknowledge_policy IS 'Writes down that a person knows a version; false: that is known already';

DO $owners$
DECLARE
    f regprocedure;
    knowing regprocedure[] := ARRAY['lua.person_of(name)', 'lua.is_bound(uuid, timestamptz)', 'lua.policies_in_force()',
        'lua.acknowledge_policy(text, integer, uuid, text, timestamptz, uuid)'];
    administering regprocedure[] := ARRAY[
        'lua.put_person(uuid, text, text, text, uuid, date, text[], timestamptz, uuid)', 'lua.end_person(uuid, timestamptz, uuid)',
        'lua.add_person_login(name, uuid, timestamptz, uuid)', 'lua.end_person_login(name, timestamptz, uuid)'];
    binding regprocedure[] := ARRAY[
        'lua.require_undertaking(text, boolean, timestamptz, uuid)',
        'lua.add_undertaking(uuid, uuid, text, text, date, date, timestamptz, uuid)', 'lua.withdraw_undertaking(uuid, timestamptz, uuid)',
        'lua.add_policy(text, integer, text, text, bytea, timestamptz, uuid)',
        'lua.publish_policy(text, integer, date, timestamptz, uuid)', 'lua.retire_policy(text, timestamptz, uuid)'];
BEGIN
    FOREACH f IN ARRAY knowing || administering || binding LOOP
        EXECUTE format('ALTER FUNCTION %s OWNER TO lua_definer', f);
        EXECUTE format('REVOKE ALL ON FUNCTION %s FROM PUBLIC', f);
        EXECUTE format('GRANT EXECUTE ON FUNCTION %s TO lua_admin', f);
        IF f = ANY (knowing) THEN
            EXECUTE format('GRANT EXECUTE ON FUNCTION %s TO lua_operator, lua_responder, lua_auditor, lua_dpo, lua_accounting, lua_rolekeeper', f);
        ELSIF f = ANY (binding) THEN
            EXECUTE format('GRANT EXECUTE ON FUNCTION %s TO lua_dpo', f);
        END IF;
    END LOOP;
END
$owners$;
