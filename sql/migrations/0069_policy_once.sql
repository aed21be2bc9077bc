-- Whether a login took another role is asked once for each plan and not with each row. While it was a condition of rows, whatever
-- a row is searched by that could tell of it (words, people, addresses) had to wait behind it, and no index served: a word
-- among ten million entries was sought in each of them.
SET LOCAL ROLE lua_owner;
-- Declared immutable though it is not, so that the planner puts its answer in place of it. The answer hangs on who logged in
-- and on the role, and Postgres plans anew what row security is part of when the role is another one.
CREATE FUNCTION lua.as_itself() RETURNS boolean
    LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE SET search_path = '' AS $$
BEGIN
    RETURN current_user = session_user OR session_user !~ '^lua_e[0-9]';
END $$;
COMMENT ON FUNCTION lua.as_itself IS 'False to an elevated login that took another role; for policies alone';
REVOKE ALL ON FUNCTION lua.as_itself() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION lua.as_itself() TO lua_admin, lua_operator, lua_responder, lua_auditor, lua_dpo, lua_accounting, lua_app, lua_ai,
    lua_elevated, lua_definer, lua_rolekeeper;

DO $policies$
DECLARE
    t regclass;
BEGIN
    FOR t IN SELECT p.polrelid FROM pg_catalog.pg_policy p WHERE p.polname = 'elevation' AND NOT p.polpermissive LOOP
        EXECUTE format('ALTER POLICY elevation ON %s USING (lua.as_itself())', t);
    END LOOP;
END
$policies$;
RESET ROLE;
