-- How long lines of the log are kept, and how a month of them goes as a whole (docs/design/log.md).
SET LOCAL ROLE lua_owner;

CREATE TABLE lua.log_rule (
    only_one   boolean PRIMARY KEY DEFAULT true CHECK (only_one),
    months     integer NOT NULL CHECK (months BETWEEN 1 AND 1200),
    basis      text NOT NULL CHECK (basis <> ''),
    updated_at timestamptz NOT NULL
);
COMMENT ON TABLE lua.log_rule IS 'The deletion rule of the log: one row';
COMMENT ON COLUMN lua.log_rule.months IS 'Counted from the end of the month in which a line was written';
INSERT INTO lua.log_rule (months, basis, updated_at)
VALUES (12, 'Art. 5(2), 32 and 33 GDPR: to find out and to prove what happened', now());
GRANT SELECT ON lua.log_rule TO lua_admin, lua_operator, lua_responder, lua_auditor, lua_dpo, lua_definer;
GRANT UPDATE (months, updated_at) ON lua.log_rule TO lua_admin, lua_dpo;

CREATE TABLE lua.log_purge (
    purge_id     uuid PRIMARY KEY,
    requested_by text NOT NULL,
    state        text NOT NULL CHECK (state IN ('intent', 'done')),
    epoch        bigint NOT NULL,
    months       integer[] NOT NULL CHECK (cardinality(months) > 0),
    created_at   timestamptz NOT NULL,
    completed_at timestamptz,
    CHECK ((state = 'done') = (completed_at IS NOT NULL))
);
COMMENT ON TABLE lua.log_purge IS 'Purges of the log that dropped keys of months: intent with the epoch, then done';
ALTER TABLE lua.log_purge ENABLE ROW LEVEL SECURITY;
ALTER TABLE lua.log_purge FORCE ROW LEVEL SECURITY;
CREATE POLICY everything ON lua.log_purge USING (true);
CREATE POLICY own_name ON lua.log_purge AS RESTRICTIVE FOR INSERT WITH CHECK (requested_by = session_user);
CREATE POLICY written_once ON lua.log_purge AS RESTRICTIVE FOR UPDATE USING (state = 'intent') WITH CHECK (true);
GRANT SELECT ON lua.log_purge TO lua_admin, lua_operator, lua_responder, lua_auditor, lua_dpo, lua_definer;
GRANT INSERT, UPDATE (state, completed_at) ON lua.log_purge TO lua_operator, lua_dpo;
GRANT SELECT (at, tenant_id) ON lua.log_line TO lua_definer;

CREATE FUNCTION lua.log_month_due(p_month integer, p_at timestamptz) RETURNS boolean
    LANGUAGE sql STABLE SET search_path = '' AS $$
    SELECT (lua.month_begins(p_month) AT TIME ZONE 'UTC' + make_interval(months => r.months + 1)) AT TIME ZONE 'UTC' <= p_at
    FROM lua.log_rule r
$$;
COMMENT ON FUNCTION lua.log_month_due IS 'Whether the rule lets a month (yyyymm) of the log go';
REVOKE ALL ON FUNCTION lua.log_month_due(integer, timestamptz) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION lua.log_month_due(integer, timestamptz), lua.month_begins(integer) TO lua_definer;
RESET ROLE;

-- A month stays as a whole while a legal hold of a tenant is in force of whom it has lines.
CREATE FUNCTION lua.log_months_due(p_at timestamptz) RETURNS TABLE (month integer, lines bigint, held bigint)
    LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = '' AS $$
BEGIN
    FOR month IN SELECT right(c.relname, 6)::integer FROM pg_catalog.pg_inherits i JOIN pg_catalog.pg_class c ON c.oid = i.inhrelid
                 WHERE i.inhparent = 'lua.log_line'::regclass AND c.relname ~ '^log_line_[0-9]{6}$' ORDER BY 1
    LOOP
        CONTINUE WHEN NOT lua.log_month_due(month, p_at);
        SELECT count(*), count(*) FILTER (WHERE l.tenant_id IN (SELECT h.tenant_id FROM lua.hold h WHERE h.released_at IS NULL))
        INTO lines, held
        FROM lua.log_line l
        WHERE l.at >= lua.month_begins(month)
          AND l.at < (lua.month_begins(month) AT TIME ZONE 'UTC' + interval '1 month') AT TIME ZONE 'UTC';
        RETURN NEXT;
    END LOOP;
END $$;
COMMENT ON FUNCTION lua.log_months_due IS 'Months of the log that may go, with their lines, and how many of these legal holds keep';
ALTER FUNCTION lua.log_months_due(timestamptz) OWNER TO lua_definer;
REVOKE ALL ON FUNCTION lua.log_months_due(timestamptz) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION lua.log_months_due(timestamptz) TO lua_admin, lua_operator, lua_responder, lua_auditor, lua_dpo, lua_owner;

SET LOCAL ROLE lua_owner;
-- Asked once more behind the lock: a line of a tenant that is held may have come in meanwhile.
CREATE FUNCTION lua.drop_log_month(p_month integer, p_at timestamptz) RETURNS bigint
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $$
DECLARE
    due record;
BEGIN
    PERFORM lua.require_any('{lua_operator,lua_dpo}'), lua.require_time(p_at);
    IF NOT lua.log_month_due(p_month, p_at) THEN
        RAISE EXCEPTION 'month % of the log is not due', p_month USING ERRCODE = 'check_violation';
    END IF;
    LOCK TABLE ONLY lua.log_line, ONLY lua.log_block IN ACCESS EXCLUSIVE MODE;
    SELECT * INTO due FROM lua.log_months_due(p_at) AS d WHERE d.month = p_month;
    IF NOT FOUND THEN
        RETURN NULL;
    ELSIF due.held > 0 THEN
        RAISE EXCEPTION 'legal holds keep % lines of month %', due.held, p_month USING ERRCODE = 'check_violation';
    END IF;
    EXECUTE format('ALTER TABLE lua.log_line DETACH PARTITION lua.log_line_%s', p_month);
    EXECUTE format('ALTER TABLE lua.log_block DETACH PARTITION lua.log_block_%s', p_month);
    EXECUTE format('DROP TABLE lua.log_line_%s, lua.log_block_%s', p_month, p_month);
    RETURN due.lines;
END $$;
COMMENT ON FUNCTION lua.drop_log_month IS 'Drops the partitions of a month of the log that is due and not held; how many lines it had';
REVOKE ALL ON FUNCTION lua.drop_log_month(integer, timestamptz) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION lua.drop_log_month(integer, timestamptz) TO lua_operator, lua_dpo;
RESET ROLE;

-- As before, and purges of the log.
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
    UNION ALL
    SELECT 'notice', d.slug, n.notice_id, n.created_at
    FROM lua.processor_notice n JOIN lua.tenant_directory d ON d.tenant_id = n.tenant_id WHERE n.confirmed_at IS NULL
    UNION ALL
    SELECT 'log purge', 'lua-crm-itself', l.purge_id, l.created_at FROM lua.log_purge l WHERE l.state = 'intent'
    ORDER BY 4, 3
$$;
