-- Who is let in to a dedicated tenant, or given keys, is bound to confidentiality: as for group roles (docs/design/login.md).

-- In throw-away installations the clock may be ahead; a day that is past binds nobody today.
CREATE FUNCTION lua.require_bound(p_login name, p_at timestamptz DEFAULT clock_timestamp()) RETURNS boolean
    LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = '' AS $$
DECLARE
    whose uuid := lua.person_of(p_login);
BEGIN
    IF whose IS NULL THEN
        RAISE EXCEPTION 'login % belongs to nobody in force', p_login USING ERRCODE = 'insufficient_privilege';
    ELSIF NOT lua.is_bound(whose, greatest(p_at, clock_timestamp())) THEN
        RAISE EXCEPTION 'no undertaking of confidentiality is in force for %', (SELECT p.handle FROM lua.person p WHERE p.person_id = whose)
            USING ERRCODE = 'insufficient_privilege';
    END IF;
    RETURN true;
END $$;
COMMENT ON FUNCTION lua.require_bound IS 'True, or an error: whether a login is of a person in force, or a job, with an undertaking in force';
ALTER FUNCTION lua.require_bound(name, timestamptz) OWNER TO lua_definer;
REVOKE ALL ON FUNCTION lua.require_bound(name, timestamptz) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION lua.require_bound(name, timestamptz) TO lua_admin, lua_dpo, lua_rolekeeper;

SET LOCAL ROLE lua_owner;
-- As before, and by what is in force today, whatever day is stated.
CREATE OR REPLACE FUNCTION lua.require_grantable(p_person uuid, p_roles text[], p_at timestamptz) RETURNS boolean
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
    ELSIF cardinality(p_roles) > 0 AND NOT lua.is_bound(p_person, greatest(p_at, clock_timestamp())) THEN
        RAISE EXCEPTION 'no undertaking of confidentiality is in force' USING ERRCODE = 'check_violation';
    END IF;
    RETURN true;
END $$;
RESET ROLE;

DROP FUNCTION lua.make_tenant_roles(bigint), lua.set_tenant_verifier(bigint, text), lua.admit_staff(bigint, text);

CREATE FUNCTION lua.make_tenant_roles(p_dedicated bigint, p_at timestamptz DEFAULT clock_timestamp()) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $$
DECLARE
    own text := 'lua_t' || p_dedicated;
    staff text := own || '_staff';
    known boolean := EXISTS (SELECT FROM lua.tenant_directory d WHERE d.tenant_id = p_dedicated);
    narrow text := CASE WHEN current_setting('server_version_num')::integer >= 160000 THEN ' WITH INHERIT TRUE, SET FALSE' ELSE '' END;
BEGIN
    PERFORM lua.require_admin();
    IF p_dedicated IS NULL OR p_dedicated < 1099511627776 THEN
        RAISE EXCEPTION 'tenant % is not a dedicated one', p_dedicated USING ERRCODE = 'invalid_parameter_value';
    END IF;
    IF NOT known THEN
        PERFORM lua.require_bound(session_user::name, p_at);
    END IF;
    IF NOT known AND (to_regrole(own) IS NOT NULL OR to_regrole(staff) IS NOT NULL) THEN
        RAISE EXCEPTION 'there is a role % or % on this server already', own, staff USING ERRCODE = 'duplicate_object';
    END IF;
    IF to_regrole(own) IS NULL THEN
        EXECUTE format('CREATE ROLE %I LOGIN', own);
        EXECUTE format('GRANT lua_app TO %I', own) || narrow;
    END IF;
    IF to_regrole(staff) IS NULL THEN
        EXECUTE format('CREATE ROLE %I NOLOGIN', staff);
    END IF;
    IF NOT known THEN
        EXECUTE format('GRANT %I TO %I', staff, session_user) || narrow;
    END IF;
END $$;
COMMENT ON FUNCTION lua.make_tenant_roles IS
    'Makes what is missing of a dedicated tenant''s login and staff role; who creates a tenant is its first staff, and bound';

-- The verifier comes ready-made, so that no password ever reaches the server. Who makes the password has it.
CREATE FUNCTION lua.set_tenant_verifier(p_dedicated bigint, p_verifier text, p_at timestamptz DEFAULT clock_timestamp()) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $$
BEGIN
    PERFORM lua.require_admin();
    IF NOT EXISTS (SELECT FROM lua.tenant_directory d WHERE d.tenant_id = p_dedicated AND p_dedicated >= 1099511627776) THEN
        RAISE EXCEPTION 'tenant % has no login of its own', p_dedicated USING ERRCODE = 'invalid_parameter_value';
    END IF;
    IF p_verifier IS NULL OR p_verifier !~ '^SCRAM-SHA-256\$[0-9]+:[A-Za-z0-9+/=]+\$[A-Za-z0-9+/=]+:[A-Za-z0-9+/=]+$' THEN
        RAISE EXCEPTION 'this is no SCRAM verifier' USING ERRCODE = 'invalid_parameter_value';
    END IF;
    PERFORM lua.require_bound(session_user::name, p_at);
    EXECUTE format('ALTER ROLE %I PASSWORD %L', 'lua_t' || p_dedicated, p_verifier);
END $$;
COMMENT ON FUNCTION lua.set_tenant_verifier IS 'Sets the SCRAM verifier by which a dedicated tenant''s own login is known';

CREATE FUNCTION lua.admit_staff(p_dedicated bigint, p_login text, p_at timestamptz DEFAULT clock_timestamp()) RETURNS boolean
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $$
DECLARE
    staff text := 'lua_t' || p_dedicated || '_staff';
    narrow text := CASE WHEN current_setting('server_version_num')::integer >= 160000 THEN ' WITH INHERIT TRUE, SET FALSE' ELSE '' END;
    found pg_catalog.pg_roles;
BEGIN
    PERFORM lua.require_admin();
    SELECT * INTO found FROM pg_catalog.pg_roles r WHERE r.rolname = p_login;
    IF NOT coalesce(found.rolcanlogin, false) THEN
        RAISE EXCEPTION 'there is no login %', p_login USING ERRCODE = 'invalid_role_specification';
    ELSIF found.rolsuper OR found.rolbypassrls THEN
        RAISE EXCEPTION 'row security does not bind %', p_login USING ERRCODE = 'invalid_role_specification';
    ELSIF p_login ~ '^lua_' OR pg_has_role(p_login, 'lua_app', 'MEMBER') OR pg_has_role(p_login, 'lua_ai', 'MEMBER') THEN
        RAISE EXCEPTION '% is a login of the CRM or its AI, not of staff', p_login USING ERRCODE = 'invalid_role_specification';
    ELSIF EXISTS (SELECT FROM pg_catalog.pg_auth_members m WHERE m.roleid = to_regrole(staff) AND m.member = found.oid) THEN
        RETURN false;
    END IF;
    PERFORM lua.require_bound(p_login::name, p_at);
    IF to_regrole(staff) IS NULL THEN
        BEGIN
            PERFORM lua.require_ended(p_dedicated);
        EXCEPTION WHEN check_violation THEN
            RAISE EXCEPTION 'there is no role % on this server', staff USING ERRCODE = 'invalid_role_specification';
        END;
        EXECUTE format('CREATE ROLE %I NOLOGIN', staff);
    END IF;
    EXECUTE format('GRANT %I TO %I', staff, p_login) || narrow;
    RETURN true;
END $$;
COMMENT ON FUNCTION lua.admit_staff IS 'Lets a login whose person is bound work on a dedicated tenant with the rights it has; false: it could already';

DO $owners$
DECLARE
    f regprocedure;
BEGIN
    FOREACH f IN ARRAY ARRAY['lua.make_tenant_roles(bigint, timestamptz)', 'lua.set_tenant_verifier(bigint, text, timestamptz)',
                             'lua.admit_staff(bigint, text, timestamptz)']::regprocedure[]
    LOOP
        EXECUTE format('ALTER FUNCTION %s OWNER TO lua_rolekeeper', f);
        EXECUTE format('REVOKE ALL ON FUNCTION %s FROM PUBLIC', f);
        EXECUTE format('GRANT EXECUTE ON FUNCTION %s TO lua_admin', f);
    END LOOP;
END
$owners$;

-- Back in: the login that a review suspended, if its person is still in force and bound.
CREATE OR REPLACE FUNCTION lua.lift_review(p_review uuid, p_login text) RETURNS text
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $$
DECLARE
    whose uuid;
    was text;
BEGIN
    PERFORM lua.require_review_office();
    SELECT i.person_id, i.outcome INTO whose, was FROM lua.review_item i
    WHERE i.review_id = p_review AND i.login = p_login AND i.outcome IN ('suspended', 'undone') ORDER BY i.outcome LIMIT 1;
    IF was IS NULL THEN
        RETURN 'this review has not suspended it';
    ELSIF was = 'undone' THEN
        RETURN NULL;
    ELSIF whose IS NOT NULL AND lua.person_of(p_login::name) IS DISTINCT FROM whose THEN
        RETURN 'its person has left';
    ELSIF whose IS NOT NULL AND NOT lua.is_bound(whose, clock_timestamp()) THEN
        RETURN 'no undertaking of confidentiality is in force for its person';
    END IF;
    BEGIN
        EXECUTE format('ALTER ROLE %I LOGIN', p_login);
    EXCEPTION WHEN insufficient_privilege OR undefined_object THEN
        RETURN sqlerrm;
    END;
    RETURN NULL;
END $$;

-- Keys are released by this function alone: it asks what nobody may leave out.
REVOKE INSERT (tenant_id, release_id, person, parts, public_key, purpose, released_by, created_at, expires_at) ON vault.release FROM lua_dpo, lua_admin;
REVOKE INSERT ON vault.release_key FROM lua_dpo, lua_admin;
DROP POLICY own_name ON vault.release;
GRANT INSERT ON vault.release, vault.release_key TO lua_definer;

CREATE FUNCTION vault.give_release(
    p_tenant bigint, p_id uuid, p_person text, p_parts text[], p_public_key bytea, p_purpose text, p_at timestamptz, p_expires timestamptz,
    p_paths bytea[], p_versions integer[], p_sealed bytea[]
) RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $$
BEGIN
    PERFORM lua.require_tenant(p_tenant), lua.require_time(p_at);
    PERFORM lua.require_bound(p_person::name, p_at), lua.check_duties_of_logins(ARRAY[p_person::name], '{keys}', p_at);
    INSERT INTO vault.release (tenant_id, release_id, person, parts, public_key, purpose, released_by, created_at, expires_at)
    VALUES (p_tenant, p_id, p_person, p_parts, p_public_key, p_purpose, session_user, p_at, p_expires);
    INSERT INTO vault.release_key (tenant_id, release_id, path, version, sealed)
    SELECT p_tenant, p_id, w.path, w.version, w.sealed FROM unnest(p_paths, p_versions, p_sealed) AS w (path, version, sealed);
END $$;
COMMENT ON FUNCTION vault.give_release IS 'Gives keys of a tenant, sealed to a person''s own, for a time: to whoever is bound and may hold keys besides their duties';
ALTER FUNCTION vault.give_release(bigint, uuid, text, text[], bytea, text, timestamptz, timestamptz, bytea[], integer[], bytea[]) OWNER TO lua_definer;
REVOKE ALL ON FUNCTION vault.give_release(bigint, uuid, text, text[], bytea, text, timestamptz, timestamptz, bytea[], integer[], bytea[]) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION vault.give_release(bigint, uuid, text, text[], bytea, text, timestamptz, timestamptz, bytea[], integer[], bytea[])
    TO lua_dpo, lua_admin;
