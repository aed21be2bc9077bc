-- One category of people's data: what passed between them and the tenant, or one field of their contacts.
SET LOCAL ROLE lua_owner;
ALTER TABLE lua.erasure
    DROP CONSTRAINT erasure_scope_check,
    ADD CONSTRAINT erasure_scope_check
        CHECK (scope IN ('person', 'special', 'interaction') OR scope ~ '^contact\.personal\.[a-z][a-z0-9_]{0,39}$');
COMMENT ON COLUMN lua.erasure.scope IS
    'person: all but what a duty keeps; special: what is sealed under that class alone; else one category of their data';
RESET ROLE;

CREATE FUNCTION crm.erase_interactions(p_tenant bigint, p_subjects uuid[]) RETURNS bigint
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $$
DECLARE
    gone bigint;
BEGIN
    PERFORM lua.require_tenant(p_tenant), lua.keep_holds(p_tenant);
    IF EXISTS (SELECT FROM lua.holds_on(p_tenant, p_subjects)) THEN
        RAISE EXCEPTION 'one of these people is held' USING ERRCODE = 'check_violation';
    END IF;
    DELETE FROM crm.interaction d WHERE d.tenant_id = p_tenant AND d.subject_id = ANY (p_subjects);
    GET DIAGNOSTICS gone = ROW_COUNT;
    RETURN gone;
END $$;
ALTER FUNCTION crm.erase_interactions(bigint, uuid[]) OWNER TO lua_definer;
REVOKE ALL ON FUNCTION crm.erase_interactions(bigint, uuid[]) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION crm.erase_interactions(bigint, uuid[]) TO lua_operator, lua_dpo;
COMMENT ON FUNCTION crm.erase_interactions IS
    'Deletes what passed between a tenant and these people, none of them held; returns how many rows';
