-- Elevation: rights of a group role on one tenant's rows, for a time that the database itself ends (docs/design/elevation.md).
-- The fresh login's name says which tenant, until when and in which database: lua_e<tenant>_<seconds since 1970>_<six signs of the
-- database's name><random>. Nobody can change the name they logged in by, so the policies need no table to end it, and no lock
-- on customers' tables to begin it.
DO $roles$
DECLARE
    newer boolean := current_setting('server_version_num')::integer >= 160000;
    passed_on text;
BEGIN
    BEGIN
        IF NOT EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = 'lua_elevated') THEN
            CREATE ROLE lua_elevated NOLOGIN;
        END IF;
    EXCEPTION WHEN duplicate_object OR unique_violation THEN
        NULL;  -- somebody else created it between the look and the leap
    END;
    IF EXISTS (SELECT FROM pg_catalog.pg_roles
               WHERE rolname = 'lua_elevated' AND (rolcanlogin OR rolsuper OR rolcreaterole OR rolcreatedb OR rolreplication OR rolbypassrls))
       OR EXISTS (SELECT FROM pg_catalog.pg_auth_members m WHERE m.member = 'lua_elevated'::regrole) THEN
        RAISE EXCEPTION 'a role named lua_elevated is there already and has attributes or rights'
            USING HINT = 'rename it, or take them from it: it is a mark, and nothing else';
    END IF;
    FOREACH passed_on IN ARRAY ARRAY['lua_elevated', 'lua_operator', 'lua_responder', 'lua_auditor', 'lua_accounting'] LOOP
        IF NOT EXISTS (SELECT FROM pg_catalog.pg_auth_members m
                       WHERE m.roleid = passed_on::regrole AND m.member = 'lua_rolekeeper'::regrole AND m.admin_option) THEN
            EXECUTE format('GRANT %I TO lua_rolekeeper WITH ADMIN ', passed_on)
                || CASE WHEN newer THEN 'TRUE, INHERIT FALSE, SET FALSE' ELSE 'OPTION' END;
        END IF;
    END LOOP;
END
$roles$;

SET LOCAL ROLE lua_owner;
CREATE FUNCTION lua.elevated_tenant() RETURNS bigint
    LANGUAGE plpgsql SET search_path = '' AS $$
BEGIN
    IF session_user !~ '^lua_e[0-9]' THEN
        RETURN NULL;
    ELSIF left(split_part(session_user, '_', 4), 6) <> left(md5(current_database()), 6) THEN
        RAISE EXCEPTION '% is of another database', session_user USING ERRCODE = 'insufficient_privilege';
    ELSIF clock_timestamp() < to_timestamp(split_part(session_user, '_', 3)::double precision) THEN
        RETURN substr(split_part(session_user, '_', 2), 2)::bigint;
    END IF;
    RAISE EXCEPTION 'the elevation of % is over', session_user USING ERRCODE = 'insufficient_privilege';
END $$;
COMMENT ON FUNCTION lua.elevated_tenant IS 'The one tenant of an elevated login; null: no elevated login; an error after its end';
REVOKE ALL ON FUNCTION lua.elevated_tenant() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION lua.elevated_tenant() TO lua_definer, lua_rolekeeper;

-- Whoever asks for more than one tenant's rows in a definer function asks here.
CREATE VIEW lua.reachable_tenant WITH (security_invoker = true) AS
    SELECT d.* FROM lua.tenant_directory d
    WHERE (SELECT lua.elevated_tenant()) IS NULL OR d.tenant_id = (SELECT lua.elevated_tenant());
COMMENT ON VIEW lua.reachable_tenant IS 'The directory, for functions that see all rows: to an elevated login its one tenant, and after its end nothing';
GRANT SELECT ON lua.reachable_tenant TO lua_definer;

-- What binds elevated logins alone costs nobody else: their end, their database and their one tenant are asked with each row,
-- so that what was begun before the end yields no row after it. An elevated login that takes another role, as up to
-- Postgres 15 any member may, is not bound by it, and sees nothing at all: tables of tenants ask that where they ask who
-- logged in anyway, the others in a policy of their own.
DO $policies$
DECLARE
    t regclass;
    alive text := $rule$clock_timestamp() < to_timestamp(split_part(session_user, '_', 3)::double precision)
        AND left(split_part(session_user, '_', 4), 6) = left(md5(current_database()), 6)$rule$;
    mine text := $rule$tenant_id = substr(split_part(session_user, '_', 2), 2)::bigint$rule$;
BEGIN
    FOR t IN SELECT c.oid FROM pg_catalog.pg_class c
             WHERE c.relnamespace IN ('lua'::regnamespace, 'crm'::regnamespace, 'vault'::regnamespace, 'ledger'::regnamespace)
               AND c.relkind IN ('r', 'p') AND c.relrowsecurity AND NOT (c.relispartition AND c.relnamespace <> 'crm'::regnamespace)
    LOOP
        IF EXISTS (SELECT FROM pg_catalog.pg_policy p WHERE p.polrelid = t AND p.polname = 'tenant' AND p.polpermissive) THEN
            EXECUTE format($rule$ALTER POLICY tenant ON %s
                USING (tenant_id = nullif(current_setting('lua.tenant_id', true), '')::bigint
                       AND CASE WHEN nullif(current_setting('lua.tenant_id', true), '')::bigint < 1099511627776
                                THEN current_user !~ '^lua_t[0-9]'
                                     AND (session_user !~ '^lua_[et][0-9]' OR (session_user ~ '^lua_e' AND current_user = session_user))
                                ELSE current_user = 'lua_t' || nullif(current_setting('lua.tenant_id', true), '')::bigint
                                     OR pg_has_role(current_user,
                                                    to_regrole('lua_t' || nullif(current_setting('lua.tenant_id', true), '')::bigint || '_staff'), 'MEMBER')
                           END)$rule$, t);
            EXECUTE format('CREATE POLICY elevated ON %s AS RESTRICTIVE TO lua_elevated USING (%s AND %s)', t, alive, mine);
        ELSE
            EXECUTE format($rule$CREATE POLICY elevation ON %s AS RESTRICTIVE
                USING (current_user = session_user OR session_user !~ '^lua_e[0-9]')$rule$, t);
            EXECUTE format('CREATE POLICY elevated ON %s AS RESTRICTIVE TO lua_elevated USING (%s%s)', t, alive,
                CASE WHEN t = 'ledger.entry'::regclass THEN format(' AND (%s OR actor = session_user)', mine)
                     WHEN EXISTS (SELECT FROM pg_catalog.pg_attribute a WHERE a.attrelid = t AND a.attname = 'tenant_id') THEN ' AND ' || mine
                     ELSE '' END);
        END IF;
    END LOOP;
END
$policies$;

CREATE OR REPLACE FUNCTION lua.require_tenant(p_tenant bigint) RETURNS boolean
    LANGUAGE plpgsql STABLE SET search_path = '' AS $$
BEGIN
    IF (CASE WHEN p_tenant < 1099511627776 THEN p_tenant >= 0 AND session_user !~ '^lua_t[0-9]'
             ELSE session_user = 'lua_t' || p_tenant
                  OR pg_has_role(session_user, to_regrole('lua_t' || p_tenant || '_staff'), 'MEMBER') END)
       AND p_tenant = coalesce(lua.elevated_tenant(), p_tenant) THEN
        RETURN true;
    END IF;
    RAISE EXCEPTION 'tenant % is not for %', p_tenant, session_user USING ERRCODE = 'insufficient_privilege';
END $$;

CREATE OR REPLACE FUNCTION lua.require_time(p_at timestamptz) RETURNS boolean
    LANGUAGE plpgsql STABLE SET search_path = '' AS $$
BEGIN
    PERFORM lua.elevated_tenant();
    IF p_at <= now() + interval '1 hour' OR (SELECT d.throwaway FROM lua.deployment d) THEN
        RETURN true;
    END IF;
    RAISE EXCEPTION '% lies in the future of the server''s clock', coalesce(p_at::text, 'no time at all')
        USING ERRCODE = 'check_violation';
END $$;

-- Which roles can be had for a time, and how long. An administrator's and a data protection officer's rights are of no one
-- tenant: they make logins, rules and keys that would outlive the end.
CREATE TABLE lua.elevation_rule (
    role          text PRIMARY KEY CHECK (role IN ('lua_operator', 'lua_responder', 'lua_auditor', 'lua_accounting')),
    minutes       integer NOT NULL CHECK (minutes BETWEEN 1 AND 1440),
    alarm_minutes integer NOT NULL CHECK (alarm_minutes BETWEEN 1 AND minutes)
);
COMMENT ON TABLE lua.elevation_rule IS 'For how long a role can be had on one tenant, with an approval and without';
COMMENT ON COLUMN lua.elevation_rule.alarm_minutes IS 'Without approval, and with an alarm';
INSERT INTO lua.elevation_rule (role, minutes, alarm_minutes) VALUES
    ('lua_operator', 480, 60), ('lua_responder', 480, 120), ('lua_auditor', 480, 60), ('lua_accounting', 480, 60);

CREATE TABLE lua.elevation (
    elevation_id   uuid PRIMARY KEY,
    login          name NOT NULL UNIQUE CHECK (login ~ '^lua_e[0-9]+_[0-9]+_[0-9a-f]{14}$'),
    person_id      uuid NOT NULL REFERENCES lua.person,
    asked_by       name NOT NULL,
    role           text NOT NULL REFERENCES lua.elevation_rule,
    of_tenant      bigint NOT NULL,
    reason         text NOT NULL CHECK (reason <> '' AND length(reason) <= 500),
    approval_id    uuid UNIQUE REFERENCES lua.approval,
    begun_at       timestamptz NOT NULL,
    ends_at        timestamptz NOT NULL,
    entry_id       uuid NOT NULL,
    ended_at       timestamptz,
    ended_by       name,
    cleared_at     timestamptz,
    signed_off_at  timestamptz,
    signed_off_by  name,
    signed_off_for text CHECK (signed_off_for <> '' AND length(signed_off_for) <= 500),
    signed_off_entries bigint,
    sign_off_entry uuid,
    CHECK (ends_at > begun_at),
    CHECK (ended_at BETWEEN begun_at AND ends_at),
    CHECK ((ended_at IS NULL) = (ended_by IS NULL)),
    CHECK (cleared_at IS NULL OR ended_at IS NOT NULL),
    CHECK (num_nulls(signed_off_at, signed_off_by, signed_off_for, signed_off_entries, sign_off_entry) IN (0, 5)),
    CHECK (signed_off_at IS NULL OR ended_at IS NOT NULL),
    -- What the policies go by is what stands here.
    CHECK (login::text ~ format('^lua_e%s_%s_', of_tenant, extract(epoch FROM ends_at)::bigint))
);
COMMENT ON TABLE lua.elevation IS 'Who had which role on which tenant, until when, and who looked at what was done with it; never removed';
COMMENT ON COLUMN lua.elevation.of_tenant IS 'The tenant; the row is the house''s own and outlives it';
COMMENT ON COLUMN lua.elevation.approval_id IS 'Null: broken glass, without an approval and with an alarm';
COMMENT ON COLUMN lua.elevation.ended_at IS 'Null: not ended by anybody; the database ends it at ends_at all the same';
COMMENT ON COLUMN lua.elevation.cleared_at IS 'When sessions and login were gone';
COMMENT ON COLUMN lua.elevation.signed_off_entries IS 'How many ledger entries of the login were looked at: all there are';
-- One at a time.
CREATE UNIQUE INDEX elevation_open ON lua.elevation (person_id) WHERE ended_at IS NULL;
CREATE INDEX elevation_person ON lua.elevation (person_id, begun_at);

GRANT SELECT ON lua.elevation_rule, lua.elevation TO lua_admin, lua_operator, lua_responder, lua_auditor, lua_dpo, lua_accounting;
GRANT SELECT ON lua.elevation TO lua_rolekeeper;
GRANT SELECT ON lua.elevation_rule TO lua_definer;
GRANT SELECT, INSERT, UPDATE (ended_at, ended_by, cleared_at, signed_off_at, signed_off_by, signed_off_for, signed_off_entries, sign_off_entry)
    ON lua.elevation TO lua_definer;

-- Elevated logins are somebody's, with their end from the beginning.
ALTER TABLE lua.person_login DROP CONSTRAINT person_login_login_check,
    ADD CONSTRAINT person_login_login_check CHECK (login !~ '^lua_' OR (login ~ '^lua_e[0-9]' AND ended_at IS NOT NULL));
INSERT INTO lua.approval_rule (action, approvals, from_subjects, roles, valid_hours)
VALUES ('access.elevate', 1, 0, '{lua_dpo,lua_admin,outside}', 24);
ALTER TABLE lua.approval_rule ADD CONSTRAINT elevation_is_approved CHECK (action <> 'access.elevate' OR (approvals > 0 AND from_subjects = 0));
RESET ROLE;

CREATE OR REPLACE FUNCTION lua.person_of(p_login name) RETURNS uuid
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = '' AS $$
    SELECT p.person_id FROM lua.person_login l JOIN lua.person p ON p.person_id = l.person_id
    WHERE l.login = p_login AND p.ended_at IS NULL
      AND (l.ended_at IS NULL OR (l.login ~ '^lua_e[0-9]' AND l.ended_at > clock_timestamp()))
$$;

CREATE OR REPLACE FUNCTION lua.tenants() RETURNS SETOF lua.tenant
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = '' AS $$
    SELECT t.* FROM lua.tenant t
    WHERE (SELECT lua.elevated_tenant()) IS NULL OR t.tenant_id = (SELECT lua.elevated_tenant())
    ORDER BY t.tenant_id
$$;

CREATE OR REPLACE FUNCTION vault.releases() RETURNS SETOF vault.release
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = '' AS $$
    SELECT r.* FROM vault.release r
    WHERE (SELECT lua.elevated_tenant()) IS NULL OR r.tenant_id = (SELECT lua.elevated_tenant())
    ORDER BY r.release_id
$$;

-- What is of no one tenant asks first whether the time is over, and tells of tenants that can be reached.
DO $functions$
DECLARE
    f record;
    body text;
BEGIN
    FOR f IN SELECT p.oid, p.prosrc, l.lanname, pg_get_functiondef(p.oid) AS definition
             FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_language l ON l.oid = p.prolang
             WHERE p.oid = ANY (ARRAY[
                 'ledger.number(bigint, integer)', 'ledger.seal(bigint, smallint[], bigint[], bytea[], bytea, text, timestamptz)',
                 'lua.ended(bigint)', 'lua.erasure_queue(boolean, bigint)', 'lua.find_token(bytea, text)', 'lua.log_months_due(timestamptz)',
                 'lua.notice_scope(uuid)', 'lua.open_requests()', 'lua.periods(integer[], text[])',
                 'lua.processor_notices(uuid, uuid, boolean)', 'lua.processors()', 'lua.require_any(text[])', 'lua.unfinished()', 'lua.watch_log()',
                 'vault.claimed()', 'vault.counters()', 'vault.numbers()', 'vault.end_releases(bigint[], uuid[], text[], bigint, timestamptz)', 'vault.lock_tree()', 'vault.open_releases()',
                 'vault.prune(bytea[])', 'vault.renew_releases(bigint[], uuid[], bytea[], integer[], bytea[])', 'vault.tombstones(bigint)',
                 'vault.turn_epoch(bigint, timestamptz, bytea[], integer[], bytea[], uuid[])']::regprocedure[])
    LOOP
        body := CASE f.lanname WHEN 'sql' THEN ' SELECT lua.elevated_tenant(); ' || f.prosrc
                ELSE regexp_replace(f.prosrc, '\nBEGIN\n', E'\nBEGIN\n    PERFORM lua.elevated_tenant();\n') END;
        IF body = f.prosrc THEN
            RAISE EXCEPTION '% does not ask whether an elevation is over', f.oid::regprocedure;
        END IF;
        body := replace(body, 'lua.tenant_directory ', 'lua.reachable_tenant ');
        EXECUTE replace(f.definition, f.prosrc, body);
    END LOOP;
END
$functions$;

CREATE FUNCTION lua.require_elevation(p_role text, p_of bigint, p_minutes integer, p_is_alarm boolean) RETURNS uuid
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $$
DECLARE
    whose uuid := lua.person_of(session_user::name);
    most integer := (SELECT CASE WHEN p_is_alarm THEN r.alarm_minutes ELSE r.minutes END FROM lua.elevation_rule r WHERE r.role = p_role);
BEGIN
    IF session_user ~ '^lua_' OR whose IS NULL
       OR NOT EXISTS (SELECT FROM lua.person p WHERE p.person_id = whose AND p.kind <> 'job') THEN
        RAISE EXCEPTION '% is the login of no person in force', session_user USING ERRCODE = 'insufficient_privilege';
    ELSIF NOT lua.is_bound(whose, clock_timestamp()) THEN
        RAISE EXCEPTION 'whose login % is has no undertaking in force', session_user USING ERRCODE = 'insufficient_privilege';
    ELSIF most IS NULL THEN
        RAISE EXCEPTION '% cannot be had for a time', p_role USING ERRCODE = 'check_violation';
    ELSIF coalesce(p_minutes, 0) NOT BETWEEN 1 AND most THEN
        RAISE EXCEPTION 'the rule for % allows at most % minutes', p_role, most USING ERRCODE = 'check_violation';
    ELSIF p_of = 0 OR NOT EXISTS (SELECT FROM lua.tenant_directory d WHERE d.tenant_id = p_of) THEN
        RAISE EXCEPTION 'there is no such tenant' USING ERRCODE = 'check_violation';
    ELSIF EXISTS (SELECT FROM lua.elevation e WHERE e.person_id = whose AND e.ended_at IS NULL AND e.ends_at > clock_timestamp()) THEN
        RAISE EXCEPTION 'one at a time: there is an open elevation' USING ERRCODE = 'unique_violation';
    END IF;
    PERFORM lua.check_duties(whose, ARRAY[p_role], clock_timestamp());
    RETURN whose;
END $$;
COMMENT ON FUNCTION lua.require_elevation IS 'Whose login asks, or an error: whether they may have a role on a tenant for so long, if approved';

-- With a used approval of this very request that nobody granted to themselves; without one, where glass is broken.
CREATE FUNCTION lua.begin_elevation(
    p_id uuid, p_role text, p_of bigint, p_minutes integer, p_reason text, p_approval uuid, p_at timestamptz, p_entry uuid
) RETURNS lua.elevation LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $$
DECLARE
    whose uuid := lua.require_elevation(p_role, p_of, p_minutes, p_approval IS NULL);
    began timestamptz := least(p_at, clock_timestamp());
    until timestamptz := date_trunc('second', least(p_at, clock_timestamp()) + make_interval(mins => p_minutes));
    made lua.elevation;
BEGIN
    PERFORM lua.require_time(p_at);
    IF until <= clock_timestamp() THEN
        RAISE EXCEPTION 'it would be over before it begins' USING ERRCODE = 'check_violation';
    ELSIF p_approval IS NOT NULL AND NOT EXISTS (
        SELECT FROM lua.approval a JOIN lua.tenant_directory d ON d.tenant_id = p_of
        WHERE a.approval_id = p_approval AND a.action = 'access.elevate' AND a.requested_by = session_user AND a.finished_at IS NOT NULL
          AND convert_from(a.request, 'UTF8')::jsonb -> 'exact'
              @> jsonb_build_object('role', p_role, 'tenant', d.slug, 'minutes', p_minutes::text, 'reason', p_reason)) THEN
        RAISE EXCEPTION 'approval % is of something else, or was not taken', p_approval USING ERRCODE = 'insufficient_privilege';
    ELSIF EXISTS (SELECT FROM lua.approval_answer w JOIN lua.approver_key k ON k.vkey = w.vkey
                  JOIN lua.person_login l ON l.login = ANY (k.logins)
                  WHERE w.approval_id = p_approval AND l.person_id = whose) THEN
        RAISE EXCEPTION 'nobody approves their own elevation' USING ERRCODE = 'insufficient_privilege';
    END IF;
    UPDATE lua.elevation e SET ended_at = e.ends_at, ended_by = session_user
    WHERE e.person_id = whose AND e.ended_at IS NULL AND e.ends_at <= clock_timestamp();
    INSERT INTO lua.elevation (elevation_id, login, person_id, asked_by, role, of_tenant, reason, approval_id, begun_at, ends_at, entry_id)
    VALUES (p_id, format('lua_e%s_%s_%s%s', p_of, extract(epoch FROM until)::bigint, left(md5(current_database()), 6), right(p_id::text, 8)), whose, session_user, p_role, p_of,
            p_reason, p_approval, began, until, p_entry)
    RETURNING * INTO made;
    INSERT INTO lua.person_login (login, person_id, since, ended_at, entry_id)
    VALUES (made.login, whose, made.begun_at, made.ends_at, p_entry);
    RETURN made;
END $$;
COMMENT ON FUNCTION lua.begin_elevation IS 'Writes down an elevation of whoever asks, and whose its login will be; lua.make_elevated_login makes it';

-- Ends before its time: by whoever has it, or by those who watch. After its time anybody may say so.
CREATE FUNCTION lua.end_elevation(p_id uuid, p_at timestamptz, p_entry uuid) RETURNS boolean
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $$
DECLARE
    open lua.elevation;
    at timestamptz := least(p_at, clock_timestamp());
BEGIN
    IF session_user !~ '^lua_e[0-9]' THEN
        PERFORM lua.require_time(p_at);
    END IF;
    SELECT * INTO open FROM lua.elevation e WHERE e.elevation_id = p_id FOR UPDATE;
    IF open.elevation_id IS NULL OR open.ended_at IS NOT NULL THEN
        RETURN false;
    END IF;
    IF open.ends_at > clock_timestamp() AND session_user NOT IN (open.asked_by, open.login)
       AND open.person_id IS DISTINCT FROM lua.person_of(session_user::name)
       AND NOT (pg_has_role(session_user, 'lua_admin', 'MEMBER') OR pg_has_role(session_user, 'lua_dpo', 'MEMBER')
                OR pg_has_role(session_user, 'lua_responder', 'MEMBER')) THEN
        RAISE EXCEPTION '% may not end it before its time', session_user USING ERRCODE = 'insufficient_privilege';
    END IF;
    UPDATE lua.elevation e SET ended_at = least(greatest(at, e.begun_at), e.ends_at), ended_by = session_user WHERE e.elevation_id = p_id;
    UPDATE lua.person_login l SET ended_at = greatest(least(at, l.ended_at), l.since) WHERE l.login = open.login;
    RETURN true;
END $$;
COMMENT ON FUNCTION lua.end_elevation IS 'Ends an elevation; false: it has ended. lua.lock_elevated_login and lua.drop_elevated_login take its login';

CREATE FUNCTION lua.end_sessions_of(p_login name) RETURNS bigint
    LANGUAGE sql SECURITY DEFINER SET search_path = ''
    AS 'SELECT count(*) FILTER (WHERE pg_terminate_backend(a.pid)) FROM pg_catalog.pg_stat_activity a
        WHERE a.usename = p_login AND p_login ~ ''^lua_e[0-9]''';
COMMENT ON FUNCTION lua.end_sessions_of IS 'Ends the sessions of an elevated login; how many';

CREATE FUNCTION lua.note_cleared(p_id uuid) RETURNS boolean
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $$
BEGIN
    UPDATE lua.elevation e SET cleared_at = greatest(clock_timestamp(), e.ended_at)
    WHERE e.elevation_id = p_id AND e.ended_at IS NOT NULL AND e.cleared_at IS NULL AND to_regrole(e.login::text) IS NULL;
    RETURN FOUND;
END $$;
COMMENT ON FUNCTION lua.note_cleared IS 'Writes down that the login of an ended elevation is gone; false: it is not, or that is known';

-- By somebody else than the person, who has seen every entry there is.
CREATE FUNCTION lua.sign_off_elevation(p_id uuid, p_reason text, p_entries bigint, p_at timestamptz, p_entry uuid) RETURNS boolean
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $$
DECLARE
    seen lua.elevation;
    signer uuid := lua.person_of(session_user::name);
BEGIN
    PERFORM lua.require_time(p_at);
    SELECT * INTO seen FROM lua.elevation e WHERE e.elevation_id = p_id FOR UPDATE;
    IF seen.elevation_id IS NULL OR seen.ended_at IS NULL OR seen.signed_off_at IS NOT NULL THEN
        RAISE EXCEPTION 'it goes on, or is signed off' USING ERRCODE = 'object_not_in_prerequisite_state';
    ELSIF signer IS NULL OR signer = seen.person_id OR session_user IN (seen.asked_by, seen.login) THEN
        RAISE EXCEPTION 'another person in force signs it off' USING ERRCODE = 'insufficient_privilege';
    ELSIF p_entries IS DISTINCT FROM (SELECT count(*) FROM ledger.entry n WHERE n.actor = seen.login) THEN
        RAISE EXCEPTION 'entries came that were not looked at' USING ERRCODE = 'check_violation';
    END IF;
    UPDATE lua.elevation e SET signed_off_at = p_at, signed_off_by = session_user, signed_off_for = p_reason,
        signed_off_entries = p_entries, sign_off_entry = p_entry
    WHERE e.elevation_id = p_id;
    RETURN true;
END $$;
COMMENT ON FUNCTION lua.sign_off_elevation IS 'Writes down that another person looked at all that was done with an ended elevation';

-- The verifier comes ready-made, so that no password ever reaches the server.
CREATE FUNCTION lua.make_elevated_login(p_id uuid, p_verifier text) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $$
DECLARE
    made lua.elevation;
    narrow text := CASE WHEN current_setting('server_version_num')::integer >= 160000 THEN ' WITH INHERIT TRUE, SET FALSE' ELSE '' END;
BEGIN
    SELECT * INTO made FROM lua.elevation e WHERE e.elevation_id = p_id;
    IF made.elevation_id IS NULL OR made.asked_by <> session_user OR made.ended_at IS NOT NULL OR made.ends_at <= clock_timestamp() THEN
        RAISE EXCEPTION 'no elevation of % waits for its login', session_user USING ERRCODE = 'insufficient_privilege';
    ELSIF p_verifier IS NULL OR p_verifier !~ '^SCRAM-SHA-256\$[0-9]+:[A-Za-z0-9+/=]+\$[A-Za-z0-9+/=]+:[A-Za-z0-9+/=]+$' THEN
        RAISE EXCEPTION 'this is no SCRAM verifier' USING ERRCODE = 'invalid_parameter_value';
    END IF;
    EXECUTE format('CREATE ROLE %I LOGIN CONNECTION LIMIT 10 PASSWORD %L VALID UNTIL %L', made.login, p_verifier, made.ends_at);
    EXECUTE format('GRANT lua_elevated, %I TO %I', made.role, made.login) || narrow;
    IF made.of_tenant >= 1099511627776 THEN
        EXECUTE format('GRANT %I TO %I', 'lua_t' || made.of_tenant || '_staff', made.login) || narrow;
    END IF;
END $$;
COMMENT ON FUNCTION lua.make_elevated_login IS 'Makes the login of an elevation for whoever began it: one role''s rights, one tenant''s rows, until its end';

-- Nobody enters any more, and who is in has no rights left. Sessions end in the next transaction, when nobody else can come.
CREATE FUNCTION lua.lock_elevated_login(p_id uuid) RETURNS boolean
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $$
DECLARE
    ended lua.elevation;
    one record;
BEGIN
    SELECT * INTO ended FROM lua.elevation e WHERE e.elevation_id = p_id AND e.ended_at IS NOT NULL;
    IF ended.elevation_id IS NULL OR to_regrole(ended.login::text) IS NULL THEN
        RETURN false;
    END IF;
    EXECUTE format('ALTER ROLE %I NOLOGIN PASSWORD NULL', ended.login);
    FOR one IN SELECT m.roleid::regrole::text AS role FROM pg_catalog.pg_auth_members m
               WHERE m.member = to_regrole(ended.login::text) AND m.roleid <> 'lua_elevated'::regrole LOOP
        EXECUTE format('REVOKE %s FROM %I', one.role, ended.login);
    END LOOP;
    RETURN true;
END $$;
COMMENT ON FUNCTION lua.lock_elevated_login IS 'Takes entrance and rights from the login of an ended elevation; false: there is none, or it goes on';

-- What the login made of its own (a large object, default privileges) keeps it there, without entrance or rights.
CREATE FUNCTION lua.drop_elevated_login(p_id uuid) RETURNS boolean
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $$
DECLARE
    ended lua.elevation;
BEGIN
    SELECT * INTO ended FROM lua.elevation e WHERE e.elevation_id = p_id AND e.ended_at IS NOT NULL;
    IF ended.elevation_id IS NULL OR to_regrole(ended.login::text) IS NULL THEN
        RETURN true;
    END IF;
    PERFORM lua.end_sessions_of(ended.login);
    BEGIN
        EXECUTE format('DROP ROLE %I', ended.login);
    EXCEPTION WHEN dependent_objects_still_exist THEN
        RETURN false;
    END;
    RETURN true;
END $$;
COMMENT ON FUNCTION lua.drop_elevated_login IS 'Ends the sessions of an ended elevation and drops its login; false: something of its own holds it';

DO $owners$
DECLARE
    f regprocedure;
    keeping regprocedure[] := ARRAY['lua.make_elevated_login(uuid, text)', 'lua.lock_elevated_login(uuid)', 'lua.drop_elevated_login(uuid)'];
BEGIN
    FOREACH f IN ARRAY keeping || ARRAY[
        'lua.require_elevation(text, bigint, integer, boolean)', 'lua.begin_elevation(uuid, text, bigint, integer, text, uuid, timestamptz, uuid)', 'lua.end_elevation(uuid, timestamptz, uuid)',
        'lua.end_sessions_of(name)', 'lua.note_cleared(uuid)', 'lua.sign_off_elevation(uuid, text, bigint, timestamptz, uuid)']::regprocedure[]
    LOOP
        EXECUTE format('ALTER FUNCTION %s OWNER TO %I', f, CASE WHEN f = ANY (keeping) THEN 'lua_rolekeeper' ELSE 'lua_definer' END);
        EXECUTE format('REVOKE ALL ON FUNCTION %s FROM PUBLIC', f);
        IF f = 'lua.end_sessions_of(name)'::regprocedure THEN
            EXECUTE format('GRANT EXECUTE ON FUNCTION %s TO lua_rolekeeper', f);
        ELSIF f = 'lua.sign_off_elevation(uuid, text, bigint, timestamptz, uuid)'::regprocedure THEN
            EXECUTE format('GRANT EXECUTE ON FUNCTION %s TO lua_admin, lua_responder, lua_auditor, lua_dpo', f);
        ELSE
            EXECUTE format('GRANT EXECUTE ON FUNCTION %s TO lua_admin, lua_operator, lua_responder, lua_auditor, lua_dpo, lua_accounting', f);
        END IF;
    END LOOP;
END
$owners$;
