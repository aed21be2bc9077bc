-- The end of a tenant that was begun is unfinished work like an erasure: since when it is so, and who looks sees it.
SET LOCAL ROLE lua_owner;
ALTER TABLE lua.termination ADD begun_at timestamptz,
    ADD CHECK (begun_at IS NULL OR state IN ('intent', 'done'));
COMMENT ON COLUMN lua.termination.begun_at IS 'When the keys went; null as long as they have not, and of ends begun before this column';
GRANT UPDATE (begun_at) ON lua.termination TO lua_definer;
RESET ROLE;

CREATE OR REPLACE FUNCTION lua.begin_end(p_tenant bigint, p_epoch bigint, p_returned text, p_plan jsonb, p_at timestamptz)
    RETURNS uuid LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $$
DECLARE
    begun uuid;
BEGIN
    PERFORM lua.require_tenant(p_tenant), lua.require_time(p_at), lua.keep_holds(p_tenant);
    IF EXISTS (SELECT FROM lua.hold h WHERE h.tenant_id = p_tenant AND h.released_at IS NULL) THEN
        RAISE EXCEPTION 'a legal hold binds data of tenant %', p_tenant USING ERRCODE = 'check_violation';
    END IF;
    UPDATE lua.termination
    SET state = 'intent', requested_by = session_user, returned = p_returned, epoch = p_epoch, plan = p_plan, begun_at = p_at
    WHERE tenant_id = p_tenant AND state = 'announced' AND erase_from <= p_at RETURNING termination_id INTO begun;
    IF begun IS NULL THEN
        RAISE EXCEPTION 'no end of tenant % is announced whose time of grace is over', p_tenant USING ERRCODE = 'check_violation';
    END IF;
    RETURN begun;
END $$;

CREATE OR REPLACE FUNCTION lua.unfinished() RETURNS TABLE (kind text, tenant text, id uuid, since timestamptz)
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = '' AS $$
    SELECT 'erasure', d.slug, e.erasure_id, e.created_at
    FROM lua.erasure e JOIN lua.tenant_directory d ON d.tenant_id = e.tenant_id WHERE e.state = 'intent'
    UNION ALL
    SELECT 'purge', d.slug, p.purge_id, p.created_at
    FROM lua.purge p JOIN lua.tenant_directory d ON d.tenant_id = p.tenant_id WHERE p.state = 'intent'
    UNION ALL
    SELECT 'termination', d.slug, t.termination_id, coalesce(t.begun_at, t.erase_from)
    FROM lua.termination t JOIN lua.tenant_directory d ON d.tenant_id = t.tenant_id WHERE t.state = 'intent'
    ORDER BY 4, 3
$$;
COMMENT ON FUNCTION lua.unfinished IS 'Erasures, purges and ends of tenants that were begun and not finished; names no person';
