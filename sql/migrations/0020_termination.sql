-- The end of a tenant (Art. 28(3)(g) GDPR): announced, a time of grace, then all that is processed for it goes.
-- The states follow one another here, whoever asks: rows go only between intent and done.
SET LOCAL ROLE lua_owner;

CREATE TABLE lua.termination (
    tenant_id      bigint NOT NULL REFERENCES lua.tenant,
    termination_id uuid NOT NULL,
    state          text NOT NULL CHECK (state IN ('announced', 'withdrawn', 'intent', 'done')),
    instruction    text NOT NULL CHECK (instruction <> '' AND length(instruction) <= 200),
    announced_by   text NOT NULL,
    announced_at   timestamptz NOT NULL,
    erase_from     timestamptz NOT NULL,
    requested_by   text,
    returned       text CHECK (returned <> '' AND length(returned) <= 300),
    epoch          bigint CHECK (epoch > 1),
    plan           jsonb,
    result         jsonb,
    completed_at   timestamptz,
    PRIMARY KEY (tenant_id, termination_id),
    CHECK (erase_from >= announced_at),
    CHECK ((state IN ('intent', 'done')) = (num_nulls(requested_by, returned, epoch, plan) = 0)),
    CHECK ((state = 'done') = (num_nulls(result, completed_at) = 0))
);
COMMENT ON TABLE lua.termination IS 'Ends of tenants: announced → withdrawn, or → intent → done';
COMMENT ON COLUMN lua.termination.instruction IS 'Where the word of the controller is found';
COMMENT ON COLUMN lua.termination.erase_from IS 'End of the time of grace';
COMMENT ON COLUMN lua.termination.returned IS 'Id of the export by which all data were returned, or why none was wanted';
COMMENT ON COLUMN lua.termination.plan IS 'Rows by table when the erasure began';
-- A tenant ends once at a time.
CREATE UNIQUE INDEX termination_open ON lua.termination (tenant_id) WHERE state <> 'withdrawn';
SELECT lua.imitate('lua.tenant', 'lua.termination');
GRANT SELECT ON lua.termination TO lua_admin, lua_operator, lua_responder, lua_auditor, lua_dpo;
GRANT SELECT, INSERT, UPDATE (state, requested_by, returned, epoch, plan, result, completed_at) ON lua.termination
    TO lua_definer;
GRANT UPDATE (status, reason, updated_at) ON lua.tenant TO lua_definer;
GRANT SELECT (tenant_id), DELETE ON crm.role, crm.contact, crm.contact_key, crm.interaction, crm.invoice, crm.invoice_line,
    crm.subject, lua.hold, lua.secret, lua.token_directory TO lua_definer;

RESET ROLE;

-- What is processed for a tenant, in the order in which it can go; a test compares it with the catalog.
CREATE FUNCTION lua.processed_rows(p_tenant bigint) RETURNS TABLE (table_name text, row_count bigint)
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = '' AS $$
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
    ) AS r (no, table_name, row_count)
    WHERE lua.require_tenant(p_tenant) ORDER BY r.no
$$;
COMMENT ON FUNCTION lua.processed_rows IS 'How many rows of each table are processed for a tenant, hidden ones included: counts only';

CREATE FUNCTION lua.announce_end(p_tenant bigint, p_id uuid, p_instruction text, p_erase_from timestamptz, p_at timestamptz)
    RETURNS boolean LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $$
BEGIN
    PERFORM lua.require_tenant(p_tenant), lua.require_time(p_at);
    INSERT INTO lua.termination (tenant_id, termination_id, state, instruction, announced_by, announced_at, erase_from)
    VALUES (p_tenant, p_id, 'announced', p_instruction, session_user, p_at, p_erase_from);
    UPDATE lua.tenant SET status = 'suspended', updated_at = p_at,
        reason = 'ends: all data go from ' || to_char(p_erase_from AT TIME ZONE 'UTC', 'YYYY-MM-DD') || ' on'
    WHERE tenant_id = p_tenant AND status <> 'terminated';
    RETURN FOUND;
END $$;
COMMENT ON FUNCTION lua.announce_end IS 'Announces the end of a tenant, whose data stand still from then on';

CREATE FUNCTION lua.withdraw_end(p_tenant bigint, p_at timestamptz) RETURNS boolean
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $$
BEGIN
    PERFORM lua.require_tenant(p_tenant), lua.require_time(p_at);
    UPDATE lua.termination SET state = 'withdrawn' WHERE tenant_id = p_tenant AND state = 'announced';
    IF FOUND THEN
        UPDATE lua.tenant SET status = 'active', reason = NULL, updated_at = p_at WHERE tenant_id = p_tenant;
        RETURN true;
    END IF;
    RETURN false;
END $$;
COMMENT ON FUNCTION lua.withdraw_end IS 'Takes an announced end back; false when there is none that could be';

CREATE FUNCTION lua.begin_end(p_tenant bigint, p_epoch bigint, p_returned text, p_plan jsonb, p_at timestamptz)
    RETURNS uuid LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $$
DECLARE
    begun uuid;
BEGIN
    PERFORM lua.require_tenant(p_tenant), lua.require_time(p_at), lua.keep_holds(p_tenant);
    IF EXISTS (SELECT FROM lua.hold h WHERE h.tenant_id = p_tenant AND h.released_at IS NULL) THEN
        RAISE EXCEPTION 'a legal hold binds data of tenant %', p_tenant USING ERRCODE = 'check_violation';
    END IF;
    UPDATE lua.termination SET state = 'intent', requested_by = session_user, returned = p_returned, epoch = p_epoch, plan = p_plan
    WHERE tenant_id = p_tenant AND state = 'announced' AND erase_from <= p_at RETURNING termination_id INTO begun;
    IF begun IS NULL THEN
        RAISE EXCEPTION 'no end of tenant % is announced whose time of grace is over', p_tenant USING ERRCODE = 'check_violation';
    END IF;
    RETURN begun;
END $$;
COMMENT ON FUNCTION lua.begin_end IS 'From here on nothing of the tenant is kept; only after the time of grace';

CREATE FUNCTION lua.take_rows(p_tenant bigint) RETURNS TABLE (table_name text, taken bigint)
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
        ELSE RETURN;
    END CASE;
    GET DIAGNOSTICS taken = ROW_COUNT;
    RETURN NEXT;
END $$;
COMMENT ON FUNCTION lua.take_rows IS 'Deletes a tenant''s rows of the first table that has any; no row in the answer: all are gone';

CREATE FUNCTION lua.is_ending(p_tenant bigint) RETURNS boolean
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = '' AS $$
    SELECT lua.require_tenant(p_tenant)
           AND EXISTS (SELECT FROM lua.termination t WHERE t.tenant_id = p_tenant AND t.state IN ('intent', 'done'))
$$;
COMMENT ON FUNCTION lua.is_ending IS 'Whether the keys of a tenant are gone because it ends';
ALTER FUNCTION lua.is_ending(bigint) OWNER TO lua_definer;
REVOKE ALL ON FUNCTION lua.is_ending(bigint) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION lua.is_ending(bigint) TO lua_rolekeeper;

-- The CRM's own login for a dedicated tenant ends with it. The role of its staff stays, and gives nothing.
CREATE FUNCTION lua.end_login(p_tenant bigint) RETURNS boolean
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $$
BEGIN
    PERFORM lua.require_admin(), lua.require_tenant(p_tenant);
    IF NOT lua.is_ending(p_tenant) THEN
        RAISE EXCEPTION 'tenant % does not end', p_tenant USING ERRCODE = 'check_violation';
    END IF;
    IF p_tenant < 1099511627776 OR to_regrole('lua_t' || p_tenant) IS NULL THEN
        RETURN false;
    END IF;
    EXECUTE format('DROP ROLE %I', 'lua_t' || p_tenant);
    RETURN true;
END $$;
COMMENT ON FUNCTION lua.end_login IS 'Ends the login of a dedicated tenant that ends; false: there is none';
ALTER FUNCTION lua.end_login(bigint) OWNER TO lua_rolekeeper;
REVOKE ALL ON FUNCTION lua.end_login(bigint) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION lua.end_login(bigint) TO lua_admin;
GRANT EXECUTE ON FUNCTION lua.require_tenant(bigint) TO lua_rolekeeper;

CREATE FUNCTION lua.finish_end(p_tenant bigint, p_result jsonb, p_at timestamptz) RETURNS boolean
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $$
BEGIN
    PERFORM lua.require_tenant(p_tenant), lua.require_time(p_at);
    IF EXISTS (SELECT FROM lua.processed_rows(p_tenant) r WHERE r.row_count > 0) THEN
        RAISE EXCEPTION 'tenant % still has rows', p_tenant USING ERRCODE = 'check_violation';
    END IF;
    UPDATE lua.termination SET state = 'done', result = p_result, completed_at = p_at
    WHERE tenant_id = p_tenant AND state = 'intent';
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    UPDATE lua.tenant SET status = 'terminated', reason = 'ended', updated_at = p_at WHERE tenant_id = p_tenant;
    RETURN true;
END $$;
COMMENT ON FUNCTION lua.finish_end IS 'Writes down what came of an end; only when no row is left';

DO $owners$
DECLARE
    f regprocedure;
BEGIN
    FOREACH f IN ARRAY ARRAY[
        'lua.processed_rows(bigint)', 'lua.announce_end(bigint, uuid, text, timestamptz, timestamptz)',
        'lua.withdraw_end(bigint, timestamptz)', 'lua.begin_end(bigint, bigint, text, jsonb, timestamptz)',
        'lua.take_rows(bigint)', 'lua.finish_end(bigint, jsonb, timestamptz)']::regprocedure[]
    LOOP
        EXECUTE format('ALTER FUNCTION %s OWNER TO lua_definer', f);
        EXECUTE format('REVOKE ALL ON FUNCTION %s FROM PUBLIC', f);
        EXECUTE format('GRANT EXECUTE ON FUNCTION %s TO lua_dpo', f);
    END LOOP;
END
$owners$;
GRANT EXECUTE ON FUNCTION lua.processed_rows(bigint) TO lua_admin, lua_operator, lua_responder, lua_auditor;
GRANT EXECUTE ON FUNCTION lua.announce_end(bigint, uuid, text, timestamptz, timestamptz), lua.withdraw_end(bigint, timestamptz)
    TO lua_admin;
