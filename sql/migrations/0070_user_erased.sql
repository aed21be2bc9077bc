-- An erasure says what went of a user of the CRM too, table by table; and who is marked as erased is no user any more.
DROP FUNCTION crm.erase_rows(bigint, uuid[]);
CREATE FUNCTION crm.erase_rows(p_tenant bigint, p_subjects uuid[], p_at timestamptz)
    RETURNS TABLE (contacts bigint, contact_keys bigint, interactions bigint, users bigint, roles bigint, sessions bigint, tokens bigint)
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $$
DECLARE
    them uuid[];
BEGIN
    PERFORM lua.require_tenant(p_tenant), lua.require_time(p_at), lua.keep_holds(p_tenant);
    IF EXISTS (SELECT FROM lua.holds_on(p_tenant, p_subjects)) THEN
        RAISE EXCEPTION 'one of these people is held' USING ERRCODE = 'check_violation';
    END IF;
    DELETE FROM crm.contact d WHERE d.tenant_id = p_tenant AND d.subject_id = ANY (p_subjects);
    GET DIAGNOSTICS contacts = ROW_COUNT;
    DELETE FROM crm.contact_key d WHERE d.tenant_id = p_tenant AND d.subject_id = ANY (p_subjects);
    GET DIAGNOSTICS contact_keys = ROW_COUNT;
    DELETE FROM crm.interaction d WHERE d.tenant_id = p_tenant AND d.subject_id = ANY (p_subjects);
    GET DIAGNOSTICS interactions = ROW_COUNT;
    them := ARRAY(SELECT u.user_id FROM crm.app_user u WHERE u.tenant_id = p_tenant AND u.subject_id = ANY (p_subjects));
    -- Their tokens end: whoever has one could still come in with it.
    PERFORM lua.revoke_secrets(p_tenant, ARRAY(
        SELECT d.secret_id FROM crm.user_token d WHERE d.tenant_id = p_tenant AND d.user_id = ANY (them)), p_at);
    DELETE FROM crm.user_token d WHERE d.tenant_id = p_tenant AND d.user_id = ANY (them);
    GET DIAGNOSTICS tokens = ROW_COUNT;
    DELETE FROM crm.user_session d WHERE d.tenant_id = p_tenant AND d.user_id = ANY (them);
    GET DIAGNOSTICS sessions = ROW_COUNT;
    DELETE FROM crm.user_role d WHERE d.tenant_id = p_tenant AND d.user_id = ANY (them);
    GET DIAGNOSTICS roles = ROW_COUNT;
    DELETE FROM crm.app_user d WHERE d.tenant_id = p_tenant AND d.user_id = ANY (them);
    GET DIAGNOSTICS users = ROW_COUNT;
    RETURN NEXT;
END $$;
COMMENT ON FUNCTION crm.erase_rows IS 'Deletes all rows of these people that no duty keeps, none of them held; returns how many of each table';

CREATE OR REPLACE FUNCTION crm.mark_erased(p_tenant bigint, p_subjects uuid[], p_at timestamptz) RETURNS bigint
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $$
DECLARE
    marked bigint;
BEGIN
    PERFORM lua.require_tenant(p_tenant), lua.require_time(p_at), lua.keep_holds(p_tenant);
    IF EXISTS (SELECT FROM lua.holds_on(p_tenant, p_subjects)) THEN
        RAISE EXCEPTION 'one of these people is held' USING ERRCODE = 'check_violation';
    END IF;
    IF EXISTS (SELECT FROM crm.app_user u WHERE u.tenant_id = p_tenant AND u.subject_id = ANY (p_subjects)) THEN
        RAISE EXCEPTION 'one of these people is a user still' USING ERRCODE = 'object_not_in_prerequisite_state';
    END IF;
    UPDATE crm.subject SET status = 'erased', personal = NULL, erased_at = p_at, updated_at = p_at
    WHERE tenant_id = p_tenant AND subject_id = ANY (p_subjects) AND status = 'active';
    GET DIAGNOSTICS marked = ROW_COUNT;
    UPDATE lua.request r SET personal = NULL, noted = false, subject_id = CASE WHEN r.closed_at IS NULL THEN r.subject_id END
    WHERE r.tenant_id = p_tenant AND r.subject_id = ANY (p_subjects);
    RETURN marked;
END $$;

DO $owners$
DECLARE
    f regprocedure := 'crm.erase_rows(bigint, uuid[], timestamptz)';
BEGIN
    EXECUTE format('ALTER FUNCTION %s OWNER TO lua_definer', f);
    EXECUTE format('REVOKE ALL ON FUNCTION %s FROM PUBLIC', f);
    EXECUTE format('GRANT EXECUTE ON FUNCTION %s TO lua_operator, lua_dpo', f);
END
$owners$;
