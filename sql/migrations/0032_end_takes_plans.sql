-- Erasures that were planned and not begun end with their tenant: there is nobody left to erase.
SET LOCAL ROLE lua_owner;
GRANT SELECT (tenant_id), DELETE ON lua.erasure_plan TO lua_definer;
RESET ROLE;

CREATE OR REPLACE FUNCTION lua.processed_rows(p_tenant bigint) RETURNS TABLE (table_name text, row_count bigint)
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = '' AS $$
    SELECT lua.require_tenant(p_tenant);
    SELECT r.table_name, r.row_count FROM (
        SELECT 1, 'crm.invoice_line', (SELECT count(*) FROM crm.invoice_line d WHERE d.tenant_id = p_tenant)
        UNION ALL SELECT 2, 'crm.invoice', (SELECT count(*) FROM crm.invoice d WHERE d.tenant_id = p_tenant)
        UNION ALL SELECT 3, 'crm.interaction', (SELECT count(*) FROM crm.interaction d WHERE d.tenant_id = p_tenant)
        UNION ALL SELECT 4, 'crm.contact_key', (SELECT count(*) FROM crm.contact_key d WHERE d.tenant_id = p_tenant)
        UNION ALL SELECT 5, 'crm.contact', (SELECT count(*) FROM crm.contact d WHERE d.tenant_id = p_tenant)
        UNION ALL SELECT 6, 'lua.hold', (SELECT count(*) FROM lua.hold d WHERE d.tenant_id = p_tenant)
        UNION ALL SELECT 7, 'crm.subject', (SELECT count(*) FROM crm.subject d WHERE d.tenant_id = p_tenant)
        UNION ALL SELECT 8, 'crm.role', (SELECT count(*) FROM crm.role d WHERE d.tenant_id = p_tenant)
        UNION ALL SELECT 9, 'lua.secret', (SELECT count(*) FROM lua.secret d WHERE d.tenant_id = p_tenant)
        UNION ALL SELECT 10, 'lua.token_directory', (SELECT count(*) FROM lua.token_directory d WHERE d.tenant_id = p_tenant)
        UNION ALL SELECT 11, 'lua.erasure_plan', (SELECT count(*) FROM lua.erasure_plan d WHERE d.tenant_id = p_tenant)
    ) AS r (no, table_name, row_count)
    ORDER BY r.no;
$$;

CREATE OR REPLACE FUNCTION lua.take_rows(p_tenant bigint) RETURNS TABLE (table_name text, taken bigint)
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $$
BEGIN
    PERFORM lua.require_tenant(p_tenant);
    IF NOT EXISTS (SELECT FROM lua.termination t WHERE t.tenant_id = p_tenant AND t.state = 'intent') THEN
        RAISE EXCEPTION 'tenant % does not end', p_tenant USING ERRCODE = 'check_violation';
    END IF;
    SELECT r.table_name INTO table_name FROM lua.processed_rows(p_tenant) WITH ORDINALITY AS r (table_name, row_count, no)
    WHERE r.row_count > 0 ORDER BY r.no LIMIT 1;
    CASE table_name
        WHEN 'crm.invoice_line' THEN DELETE FROM crm.invoice_line d WHERE d.tenant_id = p_tenant;
        WHEN 'crm.invoice' THEN DELETE FROM crm.invoice d WHERE d.tenant_id = p_tenant;
        WHEN 'crm.interaction' THEN DELETE FROM crm.interaction d WHERE d.tenant_id = p_tenant;
        WHEN 'crm.contact_key' THEN DELETE FROM crm.contact_key d WHERE d.tenant_id = p_tenant;
        WHEN 'crm.contact' THEN DELETE FROM crm.contact d WHERE d.tenant_id = p_tenant;
        WHEN 'lua.hold' THEN DELETE FROM lua.hold d WHERE d.tenant_id = p_tenant;
        WHEN 'crm.subject' THEN DELETE FROM crm.subject d WHERE d.tenant_id = p_tenant;
        WHEN 'crm.role' THEN DELETE FROM crm.role d WHERE d.tenant_id = p_tenant;
        WHEN 'lua.secret' THEN DELETE FROM lua.secret d WHERE d.tenant_id = p_tenant;
        WHEN 'lua.token_directory' THEN DELETE FROM lua.token_directory d WHERE d.tenant_id = p_tenant;
        WHEN 'lua.erasure_plan' THEN DELETE FROM lua.erasure_plan d WHERE d.tenant_id = p_tenant;
        ELSE RETURN;
    END CASE;
    GET DIAGNOSTICS taken = ROW_COUNT;
    RETURN NEXT;
END $$;
