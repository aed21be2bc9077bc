-- Settings that a role was given for good (ALTER ROLE … SET): taken back by whom roles are kept (docs/design/state.md).

-- Takes one setting of a role, in this database or in all. What only a superuser sets, only a superuser takes back.
CREATE FUNCTION lua.reset_setting(p_role name, p_here boolean, p_setting text) RETURNS boolean
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $$
BEGIN
    PERFORM lua.require_admin();
    PERFORM lua.require_other(p_role, (SELECT l.person_id FROM lua.person_login l WHERE l.login = p_role));
    EXECUTE format('ALTER ROLE %I%s RESET %I', p_role,
                   CASE WHEN p_here THEN format(' IN DATABASE %I', current_database()) ELSE '' END, p_setting);
    RETURN true;
END $$;
COMMENT ON FUNCTION lua.reset_setting IS 'Takes from a role a setting that it was given for good, in this database (true) or in all';
ALTER FUNCTION lua.reset_setting(name, boolean, text) OWNER TO lua_rolekeeper;
REVOKE ALL ON FUNCTION lua.reset_setting(name, boolean, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION lua.reset_setting(name, boolean, text) TO lua_admin;
