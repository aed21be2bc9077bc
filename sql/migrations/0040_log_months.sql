-- Months of the log: each has a partition of its own, made before its first line and gone as a whole (docs/design/log.md).
SET LOCAL ROLE lua_owner;

-- One index in the order of pages, instead of that and a primary key the other way round.
ALTER TABLE lua.log_line DROP CONSTRAINT log_line_pkey, ADD PRIMARY KEY (at, id);
DROP INDEX lua.log_line_at;

ALTER TABLE lua.log_block RENAME TO log_block_other;
ALTER TABLE lua.log_block_other DROP CONSTRAINT log_block_pkey, DROP CONSTRAINT log_block_source_id_file_no_fkey;
CREATE TABLE lua.log_block (
    LIKE lua.log_block_other INCLUDING ALL,
    PRIMARY KEY (source_id, file_no, place, period_id),
    FOREIGN KEY (source_id, file_no) REFERENCES lua.log_file
) PARTITION BY RANGE (period_id);
COMMENT ON TABLE lua.log_block IS 'Bytes of log files as they were, sealed under the key of their month (docs/reference/formats.md)';
COMMENT ON TABLE lua.log_block_other IS 'Blocks of months that have no partition';
COMMENT ON TABLE lua.log_line_other IS 'Lines of months that have no partition: of a clock that is years off, say';
REVOKE ALL ON lua.log_block_other FROM lua_admin, lua_operator, lua_responder, lua_auditor, lua_dpo;
ALTER TABLE lua.log_block ATTACH PARTITION lua.log_block_other DEFAULT;
GRANT INSERT ON lua.log_block TO lua_admin, lua_operator;
GRANT SELECT ON lua.log_block TO lua_admin, lua_operator, lua_responder, lua_auditor, lua_dpo;

-- Who may: for functions of lua_owner, whom no grant binds to what a login is.
CREATE FUNCTION lua.require_any(p_roles text[]) RETURNS boolean
    LANGUAGE plpgsql STABLE SET search_path = '' AS $$
BEGIN
    IF EXISTS (SELECT FROM unnest(p_roles) AS r(name) WHERE pg_has_role(session_user, r.name, 'MEMBER')) THEN
        RETURN true;
    END IF;
    RAISE EXCEPTION 'only % do this, not %', array_to_string(p_roles, ' and '), session_user USING ERRCODE = 'insufficient_privilege';
END $$;
COMMENT ON FUNCTION lua.require_any IS 'True, or an error: whether session_user belongs to one of these roles';

-- The number under which the key tree knows a month: class `log` in the upper 8 bits.
CREATE FUNCTION lua.log_period(p_month integer) RETURNS bigint
    LANGUAGE sql IMMUTABLE SET search_path = '' AS 'SELECT (6::bigint << 24) | p_month';
COMMENT ON FUNCTION lua.log_period IS 'Period id of a month (yyyymm) of the log';
CREATE FUNCTION lua.month_begins(p_month integer) RETURNS timestamptz
    LANGUAGE sql IMMUTABLE SET search_path = ''
    AS $$SELECT make_timestamp(p_month / 100, p_month % 100, 1, 0, 0, 0) AT TIME ZONE 'UTC'$$;
COMMENT ON FUNCTION lua.month_begins IS 'The first instant of a month (yyyymm) in UTC';

-- A month's tables are filled before they are attached: what already lay in the default partitions goes with them.
-- Attaching lets others read and write meanwhile; only the default partitions are locked for a moment.
CREATE FUNCTION lua.add_log_month(p_month integer) RETURNS void
    LANGUAGE plpgsql SET search_path = '' AS $$
DECLARE
    lines text := format('lua.log_line_%s', p_month);
    blocks text := format('lua.log_block_%s', p_month);
    begins timestamptz := lua.month_begins(p_month);
    ends timestamptz := (lua.month_begins(p_month) AT TIME ZONE 'UTC' + interval '1 month') AT TIME ZONE 'UTC';
BEGIN
    EXECUTE format('CREATE TABLE %s (LIKE lua.log_line INCLUDING ALL)', lines);
    IF pg_relation_size('lua.log_line_other') > 0 THEN
        ALTER TABLE lua.log_line_other NO FORCE ROW LEVEL SECURITY;
        EXECUTE format('WITH gone AS (DELETE FROM lua.log_line_other WHERE at >= $1 AND at < $2 RETURNING *)'
                       ' INSERT INTO %s SELECT * FROM gone', lines) USING begins, ends;
        ALTER TABLE lua.log_line_other FORCE ROW LEVEL SECURITY;
    END IF;
    EXECUTE format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY', lines);
    EXECUTE format('ALTER TABLE lua.log_line ATTACH PARTITION %s FOR VALUES FROM (%L) TO (%L)', lines, begins, ends);
    EXECUTE format('CREATE TABLE %s (LIKE lua.log_block INCLUDING ALL)', blocks);
    EXECUTE format('WITH gone AS (DELETE FROM lua.log_block_other WHERE period_id = $1 RETURNING *)'
                   ' INSERT INTO %s SELECT * FROM gone', blocks) USING lua.log_period(p_month);
    EXECUTE format('ALTER TABLE lua.log_block ATTACH PARTITION %s FOR VALUES FROM (%s) TO (%s)', blocks,
                   lua.log_period(p_month), lua.log_period(p_month) + 1);
END $$;
COMMENT ON FUNCTION lua.add_log_month IS 'Makes the partitions of a month of the log; for migrations and lua.make_log_months';

CREATE FUNCTION lua.make_log_months(p_months integer[]) RETURNS integer
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $$
DECLARE
    m integer;
    made integer := 0;
BEGIN
    PERFORM lua.require_any('{lua_admin,lua_operator}');
    FOREACH m IN ARRAY p_months LOOP
        IF m NOT BETWEEN 200001 AND 209912 OR m % 100 NOT BETWEEN 1 AND 12 THEN
            RAISE EXCEPTION '% is no month that gets a partition', m USING ERRCODE = 'invalid_parameter_value';
        END IF;
        CONTINUE WHEN to_regclass(format('lua.log_line_%s', m)) IS NOT NULL;
        -- Whoever makes the same month waits here, and finds it made.
        LOCK TABLE ONLY lua.log_line IN SHARE UPDATE EXCLUSIVE MODE;
        CONTINUE WHEN to_regclass(format('lua.log_line_%s', m)) IS NOT NULL;
        PERFORM lua.add_log_month(m);
        made := made + 1;
    END LOOP;
    RETURN made;
END $$;
COMMENT ON FUNCTION lua.make_log_months IS 'Makes what is missing of the partitions of months (yyyymm) of the log; how many were made';
REVOKE ALL ON FUNCTION lua.require_any(text[]), lua.log_period(integer), lua.month_begins(integer), lua.add_log_month(integer), lua.make_log_months(integer[])
    FROM PUBLIC;
GRANT EXECUTE ON FUNCTION lua.make_log_months(integer[]) TO lua_admin, lua_operator;

-- Lines and blocks that are there already.
ALTER TABLE lua.log_line_other NO FORCE ROW LEVEL SECURITY;
SELECT lua.add_log_month(m.month)
FROM (SELECT to_char(l.at AT TIME ZONE 'UTC', 'YYYYMM')::integer FROM lua.log_line_other l
      WHERE l.at >= '2000-01-01Z' AND l.at < '2100-01-01Z'
      UNION
      SELECT (b.period_id & 16777215)::integer FROM lua.log_block_other b WHERE b.period_id & 16777215 BETWEEN 200001 AND 209912) AS m(month);
ALTER TABLE lua.log_line_other FORCE ROW LEVEL SECURITY;
RESET ROLE;
