-- A dedicated tenant that ends leaves no table and no role of its own: they went with its rows, or go now.
CREATE FUNCTION lua.require_ended(p_dedicated bigint) RETURNS boolean
    LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = '' AS $$
BEGIN
    IF p_dedicated >= 1099511627776
       AND EXISTS (SELECT FROM lua.termination t WHERE t.tenant_id = p_dedicated AND t.state IN ('intent', 'done')) THEN
        RETURN true;
    END IF;
    RAISE EXCEPTION 'tenant % is not a dedicated one that ends', p_dedicated USING ERRCODE = 'check_violation';
END $$;
COMMENT ON FUNCTION lua.require_ended IS 'True, or an error: whether the keys of a dedicated tenant are gone because it ends';
ALTER FUNCTION lua.require_ended(bigint) OWNER TO lua_definer;
REVOKE ALL ON FUNCTION lua.require_ended(bigint) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION lua.require_ended(bigint) TO lua_owner, lua_rolekeeper;

SET LOCAL ROLE lua_owner;
-- The latest table first: foreign keys lead to earlier ones. A table that is about to go may show its owner what is in it;
-- it is detached first, since keys of tables that are not split (lua.hold) lead to its parent.
CREATE FUNCTION lua.drop_tenant_partitions(p_dedicated bigint) RETURNS integer
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $$
DECLARE
    one record;
    filled boolean;
    dropped integer := 0;
BEGIN
    PERFORM lua.require_admin();
    PERFORM lua.require_ended(p_dedicated);
    FOR one IN SELECT i.inhparent::regclass AS parent, c.oid::regclass AS own
               FROM pg_catalog.pg_inherits i JOIN pg_catalog.pg_class c ON c.oid = i.inhrelid
               JOIN pg_catalog.pg_partitioned_table p ON p.partrelid = i.inhparent AND p.partstrat = 'l'
               WHERE c.relnamespace = 'crm'::regnamespace
                 AND pg_get_expr(c.relpartbound, c.oid) = format('FOR VALUES IN (''%s'')', p_dedicated)
               ORDER BY i.inhparent DESC
    LOOP
        EXECUTE format('LOCK TABLE ONLY %s IN ACCESS EXCLUSIVE MODE', one.parent);
        EXECUTE format('ALTER TABLE %s NO FORCE ROW LEVEL SECURITY', one.own);
        EXECUTE format('SELECT EXISTS (SELECT FROM %s)', one.own) INTO filled;
        IF filled THEN
            RAISE EXCEPTION '% still has rows', one.own USING ERRCODE = 'check_violation';
        END IF;
        EXECUTE format('ALTER TABLE %s DETACH PARTITION %s', one.parent, one.own);
        EXECUTE format('DROP TABLE %s', one.own);
        dropped := dropped + 1;
    END LOOP;
    RETURN dropped;
END $$;
COMMENT ON FUNCTION lua.drop_tenant_partitions IS 'Drops the empty partitions of a dedicated tenant that ends; how many there were';
REVOKE ALL ON FUNCTION lua.drop_tenant_partitions(bigint) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION lua.drop_tenant_partitions(bigint) TO lua_admin;
RESET ROLE;

DROP FUNCTION lua.end_login(bigint), lua.is_ending(bigint);
REVOKE EXECUTE ON FUNCTION lua.require_tenant(bigint) FROM lua_rolekeeper;

CREATE FUNCTION lua.drop_tenant_roles(p_dedicated bigint) RETURNS integer
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $$
DECLARE
    one text;
    dropped integer := 0;
BEGIN
    PERFORM lua.require_admin();
    PERFORM lua.require_ended(p_dedicated);
    FOREACH one IN ARRAY ARRAY['lua_t' || p_dedicated, 'lua_t' || p_dedicated || '_staff'] LOOP
        IF to_regrole(one) IS NOT NULL THEN
            EXECUTE format('DROP ROLE %I', one);
            dropped := dropped + 1;
        END IF;
    END LOOP;
    RETURN dropped;
END $$;
COMMENT ON FUNCTION lua.drop_tenant_roles IS 'Drops login and staff role of a dedicated tenant that ends; how many there were';

-- What is left of an ended tenant is evidence, which shows to its staff: who is admitted afterwards gets the mark anew, and
-- it goes with the last of them.
CREATE OR REPLACE FUNCTION lua.admit_staff(p_dedicated bigint, p_login text) RETURNS boolean
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
    ELSIF to_regrole(staff) IS NULL THEN
        BEGIN
            PERFORM lua.require_ended(p_dedicated);
        EXCEPTION WHEN check_violation THEN
            RAISE EXCEPTION 'there is no role % on this server', staff USING ERRCODE = 'invalid_role_specification';
        END;
        EXECUTE format('CREATE ROLE %I NOLOGIN', staff);
    ELSIF EXISTS (SELECT FROM pg_catalog.pg_auth_members m WHERE m.roleid = to_regrole(staff) AND m.member = found.oid) THEN
        RETURN false;
    END IF;
    EXECUTE format('GRANT %I TO %I', staff, p_login) || narrow;
    RETURN true;
END $$;

CREATE OR REPLACE FUNCTION lua.dismiss_staff(p_dedicated bigint, p_login text) RETURNS boolean
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $$
DECLARE
    staff text := 'lua_t' || p_dedicated || '_staff';
    found pg_catalog.pg_roles;
BEGIN
    PERFORM lua.require_admin();
    SELECT * INTO found FROM pg_catalog.pg_roles r WHERE r.rolname = p_login;
    IF found IS NULL OR to_regrole(staff) IS NULL OR NOT pg_has_role(p_login, to_regrole(staff), 'MEMBER') THEN
        RETURN false;
    END IF;
    EXECUTE format('REVOKE %I FROM %I', staff, p_login);
    IF pg_has_role(p_login, to_regrole(staff), 'MEMBER') THEN
        RAISE EXCEPTION '% still belongs to %, by somebody else''s grant or through another role', p_login, staff
            USING ERRCODE = 'invalid_role_specification';
    END IF;
    IF to_regrole('lua_t' || p_dedicated) IS NULL
       AND NOT EXISTS (SELECT FROM pg_catalog.pg_auth_members m WHERE m.roleid = to_regrole(staff) AND m.member <> 'lua_rolekeeper'::regrole) THEN
        BEGIN
            PERFORM lua.require_ended(p_dedicated);
            EXECUTE format('DROP ROLE %I', staff);
        EXCEPTION WHEN check_violation THEN
            NULL;  -- it lives and has lost its login, which is another matter
        END;
    END IF;
    RETURN true;
END $$;

-- The record of an end outlives the role to whose members its row shows.
CREATE FUNCTION lua.ended(p_dedicated bigint) RETURNS SETOF lua.termination
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = '' AS $$
    SELECT t.* FROM lua.termination t WHERE t.tenant_id = p_dedicated AND p_dedicated >= 1099511627776 AND t.state = 'done'
$$;
COMMENT ON FUNCTION lua.ended IS 'The end of a dedicated tenant that is over: counts and names of tables, no customer of it';
ALTER FUNCTION lua.ended(bigint) OWNER TO lua_definer;
REVOKE ALL ON FUNCTION lua.ended(bigint) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION lua.ended(bigint) TO lua_admin, lua_operator, lua_responder, lua_auditor, lua_dpo;

ALTER FUNCTION lua.drop_tenant_roles(bigint) OWNER TO lua_rolekeeper;
REVOKE ALL ON FUNCTION lua.drop_tenant_roles(bigint) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION lua.drop_tenant_roles(bigint) TO lua_admin;
