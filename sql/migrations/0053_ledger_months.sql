-- Months of the ledger: each has a partition of its own, made before its first entry and gone as a whole once it was pruned.
-- The key stays (at, id): an id tells its own time (entry_time), so equal ids lie in one partition, where they cannot both be.
SET LOCAL ROLE lua_owner;
-- Whoever writes meanwhile waits here, not where it would find that its row belongs to another partition by now.
LOCK TABLE ONLY ledger.entry IN SHARE ROW EXCLUSIVE MODE;
COMMENT ON TABLE ledger.entry_other IS 'Entries of months that have no partition: of a clock that is years off, say';
ALTER TABLE ledger.entry_other ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;

-- Whoever is writing into the default partition commits first, and what lies there goes along.
CREATE FUNCTION ledger.add_month(p_month integer) RETURNS void
    LANGUAGE plpgsql SET search_path = '' AS $$
DECLARE
    entries text := format('ledger.entry_%s', p_month);
    begins timestamptz := lua.month_begins(p_month);
    ends timestamptz := (lua.month_begins(p_month) AT TIME ZONE 'UTC' + interval '1 month') AT TIME ZONE 'UTC';
BEGIN
    LOCK TABLE ledger.entry_other IN ACCESS EXCLUSIVE MODE;
    EXECUTE format('CREATE TABLE %s (LIKE ledger.entry INCLUDING ALL)', entries);
    IF pg_relation_size('ledger.entry_other') > 0 THEN
        ALTER TABLE ledger.entry_other NO FORCE ROW LEVEL SECURITY;
        EXECUTE format('WITH gone AS (DELETE FROM ledger.entry_other WHERE at >= $1 AND at < $2 RETURNING *)'
                       ' INSERT INTO %s SELECT * FROM gone', entries) USING begins, ends;
        ALTER TABLE ledger.entry_other FORCE ROW LEVEL SECURITY;
    END IF;
    EXECUTE format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY', entries);
    EXECUTE format('ALTER TABLE ledger.entry ATTACH PARTITION %s FOR VALUES FROM (%L) TO (%L)', entries, begins, ends);
END $$;
COMMENT ON FUNCTION ledger.add_month IS 'Makes the partition of a month of the ledger; for migrations and ledger.make_months';

CREATE FUNCTION ledger.make_months(p_months integer[]) RETURNS integer
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $$
DECLARE
    m integer;
    made integer := 0;
BEGIN
    PERFORM lua.require_any('{lua_admin,lua_operator,lua_dpo}');
    FOREACH m IN ARRAY p_months LOOP
        IF m NOT BETWEEN 200001 AND 209912 OR m % 100 NOT BETWEEN 1 AND 12 THEN
            RAISE EXCEPTION '% is no month that gets a partition', m USING ERRCODE = 'invalid_parameter_value';
        END IF;
        CONTINUE WHEN to_regclass(format('ledger.entry_%s', m)) IS NOT NULL;
        -- Whoever makes the same month waits here, and finds it made. So does whoever writes, if the month is one that has
        -- begun: a row that was on its way into the default partition would be refused there.
        IF lua.month_begins(m) <= now() THEN
            LOCK TABLE ONLY ledger.entry IN SHARE ROW EXCLUSIVE MODE;
        ELSE
            LOCK TABLE ONLY ledger.entry IN SHARE UPDATE EXCLUSIVE MODE;
        END IF;
        CONTINUE WHEN to_regclass(format('ledger.entry_%s', m)) IS NOT NULL;
        PERFORM ledger.add_month(m);
        made := made + 1;
    END LOOP;
    RETURN made;
END $$;
COMMENT ON FUNCTION ledger.make_months IS 'Makes what is missing of the partitions of months (yyyymm) of the ledger; how many were made';

CREATE FUNCTION ledger.drop_month(p_month integer) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $$
BEGIN
    PERFORM lua.require_any('{lua_admin}');
    EXECUTE format('DROP TABLE ledger.entry_%s', p_month);
END $$;
COMMENT ON FUNCTION ledger.drop_month IS 'Drops the partition of a month of the ledger; for ledger.prune alone, which knows what may go';
REVOKE ALL ON FUNCTION ledger.add_month(integer), ledger.make_months(integer[]), ledger.drop_month(integer) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION ledger.make_months(integer[]) TO lua_admin, lua_operator, lua_dpo;
GRANT EXECUTE ON FUNCTION ledger.drop_month(integer) TO lua_definer;

-- Where there are entries already, their months, this one and the two ahead.
ALTER TABLE ledger.entry_other NO FORCE ROW LEVEL SECURITY;
DO $months$
DECLARE
    month  integer;
    -- Read to the end first: a table that a statement still reads is not altered.
    months integer[] := ARRAY(
        SELECT DISTINCT to_char(e.at AT TIME ZONE 'UTC', 'YYYYMM')::integer FROM ledger.entry_other e
        WHERE e.at >= '2000-01-01Z' AND e.at < '2100-01-01Z'
        UNION
        SELECT to_char(now() AT TIME ZONE 'UTC' + make_interval(months => n.ahead), 'YYYYMM')::integer FROM generate_series(0, 2) AS n(ahead)
        WHERE EXISTS (SELECT FROM ledger.entry_other));
BEGIN
    FOREACH month IN ARRAY months LOOP
        PERFORM ledger.add_month(month);
    END LOOP;
END
$months$;
ALTER TABLE ledger.entry_other FORCE ROW LEVEL SECURITY;
RESET ROLE;

-- As before; but a month of which every entry is below the minimum goes as a whole. Whatever else lies in a month (an entry
-- that waits, or one that should not be there) keeps it, and its entries below the minimum go one by one.
CREATE OR REPLACE FUNCTION ledger.prune(p_minimum bigint, p_note text, p_at timestamptz) RETURNS bigint
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $$
DECLARE
    signed bigint := coalesce((SELECT max(size) FROM ledger.checkpoint), 0);
    months integer[];
    month integer;
    lying bigint;
    numbered bigint;
    dropped bigint := 0;
    gone bigint;
BEGIN
    PERFORM lua.require_time(p_at);
    IF p_minimum <= coalesce((SELECT max(m.index) FROM ledger.minimum m), 0) OR p_minimum >= signed THEN
        RAISE EXCEPTION 'the minimum index goes up, to less than the % entries that are signed', signed USING ERRCODE = 'check_violation';
    END IF;
    IF NOT EXISTS (SELECT FROM ledger.origin o WHERE o.ended_at IS NULL
                   AND starts_with(p_note, concat_ws(E'\n', o.origin, 'minimum ' || p_minimum, ''))) THEN
        RAISE EXCEPTION 'the note is not about the current origin and this minimum' USING ERRCODE = 'check_violation';
    END IF;
    SELECT array_agg(m.month ORDER BY m.month) INTO months
    FROM (SELECT right(c.relname, 6)::integer FROM pg_catalog.pg_inherits i JOIN pg_catalog.pg_class c ON c.oid = i.inhrelid
          WHERE i.inhparent = 'ledger.entry'::regclass AND c.relname ~ '^entry_[0-9]{6}$') AS m(month)
    WHERE (lua.month_begins(m.month) AT TIME ZONE 'UTC' + interval '1 month') AT TIME ZONE 'UTC'
          <= (SELECT l.at FROM ledger.leaf l WHERE l.index = p_minimum);
    IF months IS NOT NULL THEN
        -- Whoever is bringing an entry into one of them commits first.
        LOCK TABLE ONLY ledger.entry IN ACCESS EXCLUSIVE MODE;
        FOREACH month IN ARRAY months LOOP
            SELECT count(*), count(l.id) INTO lying, numbered
            FROM ledger.entry e LEFT JOIN ledger.leaf l ON l.id = e.id AND l.at = e.at AND l.index < p_minimum
            WHERE e.at >= lua.month_begins(month)
              AND e.at < (lua.month_begins(month) AT TIME ZONE 'UTC' + interval '1 month') AT TIME ZONE 'UTC';
            CONTINUE WHEN lying <> numbered;
            PERFORM ledger.drop_month(month);
            dropped := dropped + numbered;
        END LOOP;
    END IF;
    DELETE FROM ledger.entry e USING ledger.leaf l WHERE l.index < p_minimum AND e.at = l.at AND e.id = l.id;
    GET DIAGNOSTICS gone = ROW_COUNT;
    DELETE FROM ledger.leaf WHERE index < (p_minimum >> 8) << 8;
    INSERT INTO ledger.minimum VALUES (p_minimum, p_note, p_at);
    RETURN dropped + gone;
END $$;
