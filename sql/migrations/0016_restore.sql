-- After a restore the newest key book is laid over the database, and a log that was cut short goes on under a new name.
-- Everything here goes forward only: an epoch, a node's version, a counter never becomes smaller.

GRANT USAGE ON SEQUENCE lua.pooled_tenant TO lua_definer;
GRANT INSERT (path, version, blob, change) ON vault.node TO lua_definer;
GRANT INSERT ON vault.tombstone TO lua_definer;
GRANT INSERT, UPDATE (ended_at) ON ledger.origin TO lua_definer;

CREATE FUNCTION vault.lay_epoch(p_tree uuid, p_from bigint, p_to bigint, p_change bigint, p_at timestamptz) RETURNS bigint
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $$
BEGIN
    IF p_to < p_from THEN
        RAISE EXCEPTION 'the tree does not go back from epoch % to %', p_from, p_to USING ERRCODE = 'check_violation';
    END IF;
    UPDATE vault.tree SET epoch = p_to, updated_at = p_at WHERE tree_id = p_tree AND epoch = p_from;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'the tree is no longer at epoch %', p_from USING ERRCODE = 'serialization_failure';
    END IF;
    -- New writes must be newer than anything a book has seen, else it would never ask for them.
    PERFORM nextval('vault.change') FROM generate_series(1, p_change - nextval('vault.change'));
    RETURN p_to;
END $$;
COMMENT ON FUNCTION vault.lay_epoch IS 'Moves the tree forward to the epoch of a key book, after a restore';

CREATE FUNCTION vault.lay_nodes(p_paths bytea[], p_versions integer[], p_blobs bytea[]) RETURNS bigint
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $$
DECLARE
    laid bigint;
BEGIN
    INSERT INTO vault.node AS n (path, version, blob, change)
    SELECT w.path, w.version, w.blob, nextval('vault.change')
    FROM unnest(p_paths, p_versions, p_blobs) AS w(path, version, blob) ORDER BY w.path
    ON CONFLICT (path) DO UPDATE SET version = excluded.version, blob = excluded.blob, change = excluded.change
    WHERE n.version < excluded.version OR (n.version = excluded.version AND n.blob <> excluded.blob);
    GET DIAGNOSTICS laid = ROW_COUNT;
    RETURN laid;
END $$;
COMMENT ON FUNCTION vault.lay_nodes IS 'Puts nodes of a key book in the place of older ones; returns how many';

-- What was handed out after the backup may have sealed rows that lie in lost WAL: such numbers are never used again.
-- The caller states the next number of each counter; it is the larger one that counts.
CREATE FUNCTION vault.lay_counters(p_tenants bigint[], p_spaces smallint[], p_next bigint[]) RETURNS bigint
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $$
DECLARE
    raised bigint;
    known bigint := (SELECT max(t) FROM unnest(p_tenants) AS t WHERE t < 1099511627776);
BEGIN
    INSERT INTO vault.counter AS c (tenant_id, space, next_no)
    SELECT w.tenant_id, w.space, w.next_no FROM unnest(p_tenants, p_spaces, p_next) AS w(tenant_id, space, next_no)
    ON CONFLICT (tenant_id, space) DO UPDATE SET next_no = excluded.next_no WHERE c.next_no < excluded.next_no;
    GET DIAGNOSTICS raised = ROW_COUNT;
    -- Ids of tenants that were made after the backup are not given to others.
    PERFORM nextval('lua.pooled_tenant') FROM generate_series(1, known - nextval('lua.pooled_tenant'));
    RETURN raised;
END $$;
COMMENT ON FUNCTION vault.lay_counters IS 'Raises counters to what a key book has seen; returns how many were raised';

CREATE FUNCTION vault.lay_tombstones(p_tenants bigint[], p_marks bytea[], p_epochs bigint[], p_ats timestamptz[])
    RETURNS bigint LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $$
DECLARE
    laid bigint;
BEGIN
    INSERT INTO vault.tombstone (tenant_id, mark, epoch, dropped_at)
    SELECT w.tenant_id, w.mark, w.epoch, w.at FROM unnest(p_tenants, p_marks, p_epochs, p_ats) AS w(tenant_id, mark, epoch, at)
    ON CONFLICT DO NOTHING;
    GET DIAGNOSTICS laid = ROW_COUNT;
    RETURN laid;
END $$;
COMMENT ON FUNCTION vault.lay_tombstones IS 'Remembers again what was dropped after the backup; returns how many were missing';

-- A log that lost entries under a signed checkpoint never goes on under the same name: two histories would bear it.
CREATE FUNCTION ledger.fork_origin(p_old text, p_others text[], p_other_keys text[], p_new text, p_vkey text, p_at timestamptz)
    RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $$
BEGIN
    UPDATE ledger.origin SET ended_at = p_at WHERE origin = p_old AND ended_at IS NULL;
    IF NOT FOUND THEN
        RAISE EXCEPTION '% is not the current origin', p_old USING ERRCODE = 'serialization_failure';
    END IF;
    INSERT INTO ledger.origin (origin, vkey, created_at, ended_at)
    SELECT w.origin, w.vkey, p_at, p_at FROM unnest(p_others, p_other_keys) AS w(origin, vkey) ON CONFLICT DO NOTHING;
    INSERT INTO ledger.origin (origin, vkey, created_at) VALUES (p_new, p_vkey, p_at);
END $$;
COMMENT ON FUNCTION ledger.fork_origin IS 'Ends the name under which the log was signed, and begins another';

DO $owners$
DECLARE
    f regprocedure;
BEGIN
    FOREACH f IN ARRAY ARRAY[
        'vault.lay_epoch(uuid, bigint, bigint, bigint, timestamptz)', 'vault.lay_nodes(bytea[], integer[], bytea[])',
        'vault.lay_counters(bigint[], smallint[], bigint[])',
        'vault.lay_tombstones(bigint[], bytea[], bigint[], timestamptz[])',
        'ledger.fork_origin(text, text[], text[], text, text, timestamptz)']::regprocedure[]
    LOOP
        EXECUTE format('ALTER FUNCTION %s OWNER TO lua_definer', f);
        EXECUTE format('REVOKE ALL ON FUNCTION %s FROM PUBLIC', f);
        EXECUTE format('GRANT EXECUTE ON FUNCTION %s TO lua_admin', f);
    END LOOP;
END
$owners$;
