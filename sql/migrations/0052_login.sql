-- Logins of people and jobs: made, changed and ended by functions of lua_rolekeeper alone (docs/design/login.md). What was
-- handed out is kept beside the catalog, so that whoever grants behind luactl's back is seen.
DO $roles$
DECLARE
    newer boolean := current_setting('server_version_num')::integer >= 160000;
    one text;
BEGIN
    -- It may hand out the rights of the group roles, and has none of them itself.
    FOREACH one IN ARRAY ARRAY['lua_admin', 'lua_operator', 'lua_responder', 'lua_auditor', 'lua_dpo', 'lua_accounting', 'lua_app', 'lua_ai'] LOOP
        IF NOT EXISTS (SELECT FROM pg_catalog.pg_auth_members m
                       WHERE m.roleid = one::regrole AND m.member = 'lua_rolekeeper'::regrole AND m.admin_option) THEN
            EXECUTE format('GRANT %I TO lua_rolekeeper WITH ADMIN ', one) || CASE WHEN newer THEN 'TRUE, INHERIT FALSE, SET FALSE' ELSE 'OPTION' END;
        END IF;
    END LOOP;
    -- Who is ended is shown the door: sessions that are open go.
    IF NOT pg_has_role('lua_definer', 'pg_signal_backend', 'USAGE') THEN
        GRANT pg_signal_backend TO lua_definer;
    END IF;
END
$roles$;

SET LOCAL ROLE lua_owner;
CREATE TABLE lua.login (
    login            name PRIMARY KEY REFERENCES lua.person_login,
    method           text NOT NULL CHECK (method IN ('password', 'certificate', 'unknown')),
    connection_limit integer NOT NULL CHECK (connection_limit >= -1),
    valid_until      timestamptz,
    attributes       text[] NOT NULL DEFAULT '{}'
                     CHECK (attributes <@ ARRAY['SUPERUSER', 'CREATEROLE', 'CREATEDB', 'REPLICATION', 'BYPASSRLS']),
    entry_id         uuid NOT NULL
);
COMMENT ON TABLE lua.login IS 'What luactl made of a login, or found when it adopted it: the catalog is compared with it';
COMMENT ON COLUMN lua.login.method IS 'certificate: it has no password, the CN of a client certificate is its name; unknown: adopted';
COMMENT ON COLUMN lua.login.connection_limit IS 'As in the catalog; -1: none';
COMMENT ON COLUMN lua.login.valid_until IS 'Until when its password is taken; null: for ever';
COMMENT ON COLUMN lua.login.attributes IS 'Which attributes it was adopted with, by name; none of those that luactl makes has any';

CREATE TABLE lua.login_grant (
    login      name NOT NULL REFERENCES lua.login,
    role       text NOT NULL CHECK (role IN ('lua_admin', 'lua_operator', 'lua_responder', 'lua_auditor', 'lua_dpo', 'lua_accounting', 'lua_app', 'lua_ai')),
    granted_at timestamptz NOT NULL,
    granted_by text NOT NULL,
    ended_at   timestamptz,
    ended_by   text,
    entry_id   uuid NOT NULL,
    PRIMARY KEY (login, role, granted_at),
    CHECK (num_nulls(ended_at, ended_by) IN (0, 2)),
    CHECK (ended_at >= granted_at)
);
COMMENT ON TABLE lua.login_grant IS 'Which group roles were handed to a login, by whom, from when to when';
COMMENT ON COLUMN lua.login_grant.entry_id IS 'The ledger entry that gave it, or when ended the one that took it';
-- A login has a group role once.
CREATE UNIQUE INDEX login_grant_open ON lua.login_grant (login, role) WHERE ended_at IS NULL;

GRANT SELECT ON lua.login, lua.login_grant TO lua_admin, lua_operator, lua_responder, lua_auditor, lua_dpo, lua_accounting, lua_definer;
GRANT SELECT ON lua.person, lua.person_login, lua.deployment TO lua_rolekeeper;
GRANT SELECT, INSERT, UPDATE (method, connection_limit, valid_until, entry_id) ON lua.login TO lua_rolekeeper;
GRANT SELECT, INSERT, UPDATE (ended_at, ended_by, entry_id) ON lua.login_grant TO lua_rolekeeper;
GRANT EXECUTE ON FUNCTION lua.require_time(timestamptz) TO lua_rolekeeper;
GRANT EXECUTE ON FUNCTION lua.require_admin() TO lua_definer;

-- Nobody changes their own rights: neither by the login they use now, nor by another of theirs.
CREATE FUNCTION lua.require_other(p_login name, p_person uuid) RETURNS boolean
    LANGUAGE plpgsql STABLE SET search_path = '' AS $$
BEGIN
    IF p_login = session_user OR p_person = lua.person_of(session_user::name) THEN
        RAISE EXCEPTION 'nobody changes their own rights' USING ERRCODE = 'insufficient_privilege';
    END IF;
    RETURN true;
END $$;
COMMENT ON FUNCTION lua.require_other IS 'True, or an error: whether a login is somebody else''s than session_user''s';

-- Group roles that somebody may be given: who is not bound to confidentiality gets none, and the CRM's and the AI's are for jobs.
CREATE FUNCTION lua.require_grantable(p_person uuid, p_roles text[], p_at timestamptz) RETURNS boolean
    LANGUAGE plpgsql STABLE SET search_path = '' AS $$
DECLARE
    kind text := (SELECT p.kind FROM lua.person p WHERE p.person_id = p_person AND p.ended_at IS NULL);
BEGIN
    IF kind IS NULL THEN
        RAISE EXCEPTION 'a login belongs to a person or a job in force' USING ERRCODE = 'check_violation';
    ELSIF NOT p_roles <@ ARRAY['lua_admin', 'lua_operator', 'lua_responder', 'lua_auditor', 'lua_dpo', 'lua_accounting', 'lua_app', 'lua_ai'] THEN
        RAISE EXCEPTION 'only group roles are handed out' USING ERRCODE = 'invalid_parameter_value';
    ELSIF p_roles && ARRAY['lua_app', 'lua_ai'] AND kind <> 'job' THEN
        RAISE EXCEPTION 'lua_app and lua_ai are for jobs' USING ERRCODE = 'check_violation';
    ELSIF cardinality(p_roles) > 0 AND NOT lua.is_bound(p_person, p_at) THEN
        RAISE EXCEPTION 'no undertaking of confidentiality is in force' USING ERRCODE = 'check_violation';
    END IF;
    RETURN true;
END $$;
COMMENT ON FUNCTION lua.require_grantable IS 'True, or an error: whether somebody may be given these group roles';

CREATE FUNCTION lua.require_verifier(p_verifier text) RETURNS boolean
    LANGUAGE plpgsql IMMUTABLE SET search_path = '' AS $$
BEGIN
    IF p_verifier !~ '^SCRAM-SHA-256\$[0-9]+:[A-Za-z0-9+/=]+\$[A-Za-z0-9+/=]+:[A-Za-z0-9+/=]+$' THEN
        RAISE EXCEPTION 'this is no SCRAM verifier' USING ERRCODE = 'invalid_parameter_value';
    END IF;
    RETURN true;
END $$;
COMMENT ON FUNCTION lua.require_verifier IS 'True, or an error: whether a text is null or a verifier, which is all that the server ever sees of a password';
-- On 16 and newer only whoever has ADMIN on a role alters it; up to 15 CREATEROLE suffices, but over superusers.
CREATE FUNCTION lua.keeps(p_login name) RETURNS boolean
    LANGUAGE sql STABLE SET search_path = '' AS $$
    SELECT EXISTS (
        SELECT FROM pg_catalog.pg_roles r
        WHERE r.rolname = p_login AND NOT r.rolsuper
          AND (current_setting('server_version_num')::integer < 160000
               OR EXISTS (SELECT FROM pg_catalog.pg_auth_members m
                          WHERE m.roleid = r.oid AND m.member = 'lua_rolekeeper'::pg_catalog.regrole AND m.admin_option)))
$$;
COMMENT ON FUNCTION lua.keeps IS 'Whether the functions of lua_rolekeeper can change a role itself, and not only what it is a member of';

REVOKE ALL ON FUNCTION lua.require_other(name, uuid), lua.require_grantable(uuid, text[], timestamptz), lua.require_verifier(text), lua.keeps(name) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION lua.require_other(name, uuid), lua.require_grantable(uuid, text[], timestamptz), lua.require_verifier(text), lua.keeps(name) TO lua_rolekeeper;
GRANT EXECUTE ON FUNCTION lua.keeps(name) TO lua_admin, lua_operator, lua_responder, lua_auditor, lua_dpo;
RESET ROLE;

GRANT EXECUTE ON FUNCTION lua.add_person_login(name, uuid, timestamptz, uuid), lua.end_person_login(name, timestamptz, uuid) TO lua_rolekeeper;

-- Hands a login the group roles that it is on record with, and takes those that it is not; what others granted stays theirs.
CREATE FUNCTION lua.set_login_roles(p_login name, p_roles text[], p_at timestamptz, p_entry uuid) RETURNS boolean
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $$
DECLARE
    narrow text := CASE WHEN current_setting('server_version_num')::integer >= 160000 THEN ' WITH INHERIT TRUE, SET FALSE' ELSE '' END;
    held text[] := ARRAY(SELECT g.role FROM lua.login_grant g WHERE g.login = p_login AND g.ended_at IS NULL);
    one text;
BEGIN
    PERFORM lua.require_admin();
    FOR one IN SELECT unnest(held) EXCEPT SELECT unnest(p_roles) LOOP
        EXECUTE format('REVOKE %I FROM %I', one, p_login);
        UPDATE lua.login_grant g SET ended_at = greatest(p_at, g.granted_at), ended_by = session_user, entry_id = p_entry
        WHERE g.login = p_login AND g.role = one AND g.ended_at IS NULL;
    END LOOP;
    PERFORM lua.check_duties(l.person_id, ARRAY(SELECT unnest(p_roles) EXCEPT SELECT unnest(held)), p_at)
    FROM lua.person_login l WHERE l.login = p_login AND NOT p_roles <@ held;
    FOR one IN SELECT unnest(p_roles) EXCEPT SELECT unnest(held) LOOP
        EXECUTE format('GRANT %I TO %I', one, p_login) || narrow;
        INSERT INTO lua.login_grant (login, role, granted_at, granted_by, entry_id) VALUES (p_login, one, p_at, session_user, p_entry);
    END LOOP;
    RETURN NOT (held <@ p_roles AND p_roles <@ held);
END $$;
COMMENT ON FUNCTION lua.set_login_roles IS 'For the functions beside it, which have asked who may be given what';

CREATE FUNCTION lua.add_login(
    p_login name, p_person uuid, p_roles text[], p_method text, p_verifier text, p_limit integer, p_until timestamptz,
    p_at timestamptz, p_entry uuid
) RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $$
BEGIN
    PERFORM lua.require_admin();
    PERFORM lua.require_time(p_at);
    PERFORM lua.require_other(p_login, p_person);
    PERFORM lua.require_grantable(p_person, p_roles, p_at);
    PERFORM lua.require_verifier(p_verifier);
    IF p_login !~ '^[a-z_][a-z0-9_.-]*$' OR p_login ~ '^(lua_|pg_)' OR p_login IN ('public', 'none') THEN
        RAISE EXCEPTION 'no login can have this name' USING ERRCODE = 'invalid_parameter_value';
    ELSIF EXISTS (SELECT FROM pg_catalog.pg_roles r WHERE r.rolname = p_login) THEN
        RAISE EXCEPTION 'there is a role % on this server already', p_login USING ERRCODE = 'duplicate_object';
    ELSIF (p_method = 'password') <> (p_verifier IS NOT NULL) OR p_method NOT IN ('password', 'certificate') THEN
        RAISE EXCEPTION 'a login has a password or a certificate' USING ERRCODE = 'invalid_parameter_value';
    END IF;
    PERFORM lua.add_person_login(p_login, p_person, p_at, p_entry);
    EXECUTE format('CREATE ROLE %I LOGIN CONNECTION LIMIT %s PASSWORD %L VALID UNTIL %L', p_login, p_limit, p_verifier, coalesce(p_until, 'infinity'));
    INSERT INTO lua.login (login, method, connection_limit, valid_until, entry_id)
    VALUES (p_login, p_method, p_limit, p_until, p_entry);
    PERFORM lua.set_login_roles(p_login, p_roles, p_at, p_entry);
END $$;
COMMENT ON FUNCTION lua.add_login IS 'Makes a login for a person or a job, with group roles and nothing else';

-- A password of one's own may be renewed; everything else about it is for others to change.
CREATE FUNCTION lua.change_login(
    p_login name, p_roles text[], p_method text, p_verifier text, p_limit integer, p_until timestamptz, p_at timestamptz, p_entry uuid
) RETURNS boolean LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $$
DECLARE
    before lua.login;
    owner uuid;
    held text[];
    other boolean;
BEGIN
    PERFORM lua.require_admin();
    PERFORM lua.require_time(p_at);
    PERFORM lua.require_verifier(p_verifier);
    SELECT * INTO before FROM lua.login l WHERE l.login = p_login FOR UPDATE;
    SELECT l.person_id INTO owner FROM lua.person_login l WHERE l.login = p_login AND l.ended_at IS NULL;
    IF before IS NULL OR owner IS NULL THEN
        RAISE EXCEPTION 'no login % is on record', p_login USING ERRCODE = 'invalid_parameter_value';
    ELSIF p_method NOT IN ('password', 'certificate', before.method) OR (p_method <> 'password' AND p_verifier IS NOT NULL)
          OR (p_method = 'password' AND before.method <> 'password' AND p_verifier IS NULL) THEN
        RAISE EXCEPTION 'a login has a password or a certificate' USING ERRCODE = 'invalid_parameter_value';
    END IF;
    held := ARRAY(SELECT g.role FROM lua.login_grant g WHERE g.login = p_login AND g.ended_at IS NULL);
    other := (before.method, before.connection_limit, before.valid_until) IS DISTINCT FROM (p_method, p_limit, p_until);
    IF other OR NOT (held <@ p_roles AND p_roles <@ held) THEN
        PERFORM lua.require_other(p_login, owner);
    END IF;
    PERFORM lua.require_grantable(owner, ARRAY(SELECT unnest(p_roles) EXCEPT SELECT unnest(held)), p_at);
    IF other OR p_verifier IS NOT NULL THEN
        EXECUTE format('ALTER ROLE %I CONNECTION LIMIT %s VALID UNTIL %L', p_login, p_limit, coalesce(p_until, 'infinity'))
            || CASE WHEN p_verifier IS NOT NULL THEN format(' PASSWORD %L', p_verifier)
                    WHEN p_method = 'certificate' THEN ' PASSWORD NULL' ELSE '' END;
        UPDATE lua.login l SET method = p_method, connection_limit = p_limit, valid_until = p_until, entry_id = p_entry WHERE l.login = p_login;
    END IF;
    RETURN lua.set_login_roles(p_login, p_roles, p_at, p_entry) OR other OR p_verifier IS NOT NULL;
END $$;
COMMENT ON FUNCTION lua.change_login IS 'Writes anew what a login is and has; a null verifier keeps its password; false: it was so already';

-- The role stays, without rights and unable to log in: its name is somebody's in the ledger for ever. Up to what others granted.
CREATE FUNCTION lua.end_login(p_login name, p_at timestamptz, p_entry uuid) RETURNS boolean
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $$
DECLARE
    owner uuid;
    one name;
BEGIN
    PERFORM lua.require_admin();
    PERFORM lua.require_time(p_at);
    PERFORM FROM lua.login l WHERE l.login = p_login FOR UPDATE;
    SELECT l.person_id INTO owner FROM lua.person_login l WHERE l.login = p_login;
    IF owner IS NULL THEN
        RAISE EXCEPTION 'no login % is on record', p_login USING ERRCODE = 'invalid_parameter_value';
    END IF;
    PERFORM lua.require_other(p_login, owner);
    PERFORM lua.set_login_roles(p_login, '{}', p_at, p_entry);
    FOR one IN SELECT g.rolname FROM pg_catalog.pg_auth_members m JOIN pg_catalog.pg_roles r ON r.oid = m.member
               JOIN pg_catalog.pg_roles g ON g.oid = m.roleid
               WHERE r.rolname = p_login AND m.grantor = 'lua_rolekeeper'::regrole LOOP
        EXECUTE format('REVOKE %I FROM %I', one, p_login);
    END LOOP;
    IF lua.keeps(p_login) THEN
        EXECUTE format('ALTER ROLE %I NOLOGIN PASSWORD NULL', p_login);
    END IF;
    RETURN lua.end_person_login(p_login, p_at, p_entry);
END $$;
COMMENT ON FUNCTION lua.end_login IS 'Ends a login: roles, password, the way in; false: it had ended already';

-- The first administrator of all finds nobody who could adopt them; afterwards it is for another one.
CREATE FUNCTION lua.adopt_login(p_login name, p_person uuid, p_method text, p_attributes text[], p_at timestamptz, p_entry uuid)
    RETURNS boolean LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $$
DECLARE
    found pg_catalog.pg_roles;
    has text[];
BEGIN
    PERFORM lua.require_admin();
    PERFORM lua.require_time(p_at);
    IF EXISTS (SELECT FROM lua.person_login l JOIN pg_catalog.pg_roles r ON r.rolname = l.login
               WHERE l.ended_at IS NULL AND l.login <> session_user AND r.rolcanlogin AND pg_has_role(r.oid, 'lua_admin', 'MEMBER')) THEN
        PERFORM lua.require_other(p_login, p_person);
    END IF;
    SELECT * INTO found FROM pg_catalog.pg_roles r WHERE r.rolname = p_login;
    IF NOT coalesce(found.rolcanlogin, false) OR p_login ~ '^(lua_|pg_)' THEN
        RAISE EXCEPTION 'there is no login % of a person or a job', p_login USING ERRCODE = 'invalid_role_specification';
    END IF;
    has := array_remove(ARRAY[CASE WHEN found.rolsuper THEN 'SUPERUSER' END, CASE WHEN found.rolcreaterole THEN 'CREATEROLE' END,
                              CASE WHEN found.rolcreatedb THEN 'CREATEDB' END, CASE WHEN found.rolreplication THEN 'REPLICATION' END,
                              CASE WHEN found.rolbypassrls THEN 'BYPASSRLS' END], NULL);
    IF NOT has <@ p_attributes THEN
        RAISE EXCEPTION '% has %', p_login, array_to_string(has, ', ') USING ERRCODE = 'invalid_role_specification';
    END IF;
    IF NOT lua.add_person_login(p_login, p_person, p_at, p_entry) AND EXISTS (SELECT FROM lua.login l WHERE l.login = p_login) THEN
        RETURN false;
    END IF;
    INSERT INTO lua.login (login, method, connection_limit, valid_until, attributes, entry_id)
    VALUES (p_login, p_method, found.rolconnlimit, nullif(found.rolvaliduntil, 'infinity'), has, p_entry);
    INSERT INTO lua.login_grant (login, role, granted_at, granted_by, entry_id)
    SELECT DISTINCT p_login, g.rolname::text, p_at, session_user, p_entry
    FROM pg_catalog.pg_auth_members m JOIN pg_catalog.pg_roles g ON g.oid = m.roleid
    WHERE m.member = found.oid AND g.rolname ~ '^lua_(admin|operator|responder|auditor|dpo|accounting|app|ai)$';
    RETURN true;
END $$;
COMMENT ON FUNCTION lua.adopt_login IS 'Writes down whose login it is that exists, and what it has; false: that is known';

-- Sessions outlive the role's right to log in.
CREATE FUNCTION lua.end_sessions(p_login name) RETURNS bigint
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $$
BEGIN
    PERFORM lua.require_admin();
    IF NOT EXISTS (SELECT FROM lua.person_login l WHERE l.login = p_login AND l.ended_at IS NOT NULL) THEN
        RAISE EXCEPTION 'login % has not ended', p_login USING ERRCODE = 'check_violation';
    END IF;
    RETURN (SELECT count(*) FILTER (WHERE pg_terminate_backend(a.pid)) FROM pg_catalog.pg_stat_activity a
            JOIN pg_catalog.pg_roles r ON r.oid = a.usesysid WHERE a.usename = p_login AND NOT r.rolsuper);
END $$;
COMMENT ON FUNCTION lua.end_sessions IS 'Ends the open sessions of a login that has ended; how many there were';

DO $owners$
DECLARE
    f regprocedure;
BEGIN
    FOREACH f IN ARRAY ARRAY['lua.set_login_roles(name, text[], timestamptz, uuid)',
        'lua.add_login(name, uuid, text[], text, text, integer, timestamptz, timestamptz, uuid)',
        'lua.change_login(name, text[], text, text, integer, timestamptz, timestamptz, uuid)',
        'lua.end_login(name, timestamptz, uuid)', 'lua.adopt_login(name, uuid, text, text[], timestamptz, uuid)',
        'lua.end_sessions(name)']::regprocedure[]
    LOOP
        EXECUTE format('ALTER FUNCTION %s OWNER TO %s', f, CASE WHEN f = 'lua.end_sessions(name)'::regprocedure THEN 'lua_definer' ELSE 'lua_rolekeeper' END);
        EXECUTE format('REVOKE ALL ON FUNCTION %s FROM PUBLIC', f);
        IF f <> 'lua.set_login_roles(name, text[], timestamptz, uuid)'::regprocedure THEN
            EXECUTE format('GRANT EXECUTE ON FUNCTION %s TO lua_admin', f);
        END IF;
    END LOOP;
END
$owners$;
