-- Group roles, the owner and the definer (docs/reference/roles.md).
-- Roles belong to the whole server, so a second database finds them there already;
-- two migrations at once may also meet here, hence the exception handler.
DO $roles$
DECLARE
    wanted text;
BEGIN
    FOREACH wanted IN ARRAY ARRAY[
        'lua_admin', 'lua_operator', 'lua_responder', 'lua_auditor', 'lua_dpo',
        'lua_accounting', 'lua_app', 'lua_ai', 'lua_owner', 'lua_definer'
    ] LOOP
        BEGIN
            IF NOT EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = wanted) THEN
                EXECUTE format('CREATE ROLE %I NOLOGIN', wanted);
            END IF;
        EXCEPTION WHEN duplicate_object OR unique_violation THEN
            NULL;  -- somebody else created it between the look and the leap
        END;
    END LOOP;
    IF NOT (SELECT rolbypassrls FROM pg_catalog.pg_roles WHERE rolname = 'lua_definer') THEN
        ALTER ROLE lua_definer BYPASSRLS;
    END IF;
    -- A role that was there before may be anything: what carries everybody's rights must be nobody's login.
    IF EXISTS (SELECT FROM pg_catalog.pg_roles
               WHERE rolname = ANY (ARRAY['lua_admin', 'lua_operator', 'lua_responder', 'lua_auditor', 'lua_dpo',
                                          'lua_accounting', 'lua_app', 'lua_ai', 'lua_owner', 'lua_definer'])
                 AND (rolcanlogin OR rolsuper OR rolcreaterole OR rolreplication
                      OR (rolbypassrls AND rolname <> 'lua_definer'))) THEN
        RAISE EXCEPTION 'a role named lua_… is there already and can log in or has attributes beyond ours'
            USING HINT = 'rename it, or take LOGIN, SUPERUSER, CREATEROLE, REPLICATION and BYPASSRLS from it';
    END IF;
    IF EXISTS (SELECT FROM pg_catalog.pg_auth_members m JOIN pg_catalog.pg_roles r ON r.oid = m.roleid
               WHERE r.rolname IN ('lua_owner', 'lua_definer')
                 -- A DBA lends both to whoever migrates without being superuser, and takes them back afterwards.
                 AND m.member <> (SELECT oid FROM pg_catalog.pg_roles WHERE rolname = session_user)) THEN
        RAISE EXCEPTION 'lua_owner and lua_definer must have no members'
            USING HINT = 'revoke the memberships: nobody may become these roles';
    END IF;
END
$roles$;

-- Nobody but the roles below gets anything by being able to connect.
REVOKE ALL ON SCHEMA public FROM PUBLIC;
DO $database$
BEGIN
    EXECUTE format('REVOKE ALL ON DATABASE %I FROM PUBLIC', current_database());
    EXECUTE format('GRANT CONNECT ON DATABASE %I TO lua_admin, lua_operator, lua_responder, lua_auditor, '
                   'lua_dpo, lua_accounting, lua_app, lua_ai', current_database());
END
$database$;
ALTER DEFAULT PRIVILEGES FOR ROLE lua_owner REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC;
ALTER DEFAULT PRIVILEGES FOR ROLE lua_definer REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC;

ALTER SCHEMA lua OWNER TO lua_owner;
CREATE SCHEMA crm AUTHORIZATION lua_owner;
CREATE SCHEMA ledger AUTHORIZATION lua_owner;
CREATE SCHEMA vault AUTHORIZATION lua_owner;

GRANT USAGE ON SCHEMA lua TO lua_admin, lua_operator, lua_responder, lua_auditor, lua_dpo, lua_accounting,
    lua_app, lua_ai, lua_definer;
GRANT USAGE ON SCHEMA crm TO lua_admin, lua_operator, lua_responder, lua_auditor, lua_dpo, lua_accounting,
    lua_app, lua_definer;
GRANT USAGE ON SCHEMA ledger TO lua_admin, lua_operator, lua_responder, lua_auditor, lua_dpo, lua_accounting,
    lua_app, lua_definer;
GRANT USAGE ON SCHEMA vault TO lua_admin, lua_operator, lua_responder, lua_auditor, lua_dpo, lua_accounting,
    lua_app, lua_definer;

-- What luactl itself needs to know about the schema it meets.
ALTER TABLE lua.migration OWNER TO lua_owner;
GRANT SELECT ON lua.migration TO lua_admin, lua_operator, lua_responder, lua_auditor, lua_dpo, lua_accounting,
    lua_app, lua_ai;
