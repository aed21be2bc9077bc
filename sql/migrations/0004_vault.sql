-- Schema vault: the key tree (docs/reference/formats.md, 2). Everything here is sealed or random:
-- without the root secret, which never enters Postgres, none of it opens anything.
SET LOCAL ROLE lua_owner;

CREATE TABLE vault.tree (
    only_one   boolean PRIMARY KEY DEFAULT true CHECK (only_one),
    tree_id    uuid NOT NULL,
    epoch      bigint NOT NULL CHECK (epoch > 0),
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL
);
COMMENT ON TABLE vault.tree IS 'One row: which tree this is and which root epoch seals its top node';

CREATE SEQUENCE vault.change AS bigint;
COMMENT ON SEQUENCE vault.change IS 'Orders node writes, so that a key book can ask for what is newer than itself';

CREATE TABLE vault.node (
    path    bytea PRIMARY KEY CHECK (length(path) <= 32),
    version integer NOT NULL CHECK (version > 0),
    change  bigint NOT NULL DEFAULT nextval('vault.change'),
    blob    bytea NOT NULL CHECK (length(blob) = 3840)
);
COMMENT ON TABLE vault.node IS 'Key tree nodes: 64 sealed child keys each, all in one row';
COMMENT ON COLUMN vault.node.path IS 'Slot numbers from the top node (empty path), one byte a step';
COMMENT ON COLUMN vault.node.version IS 'Grows with each rewrite; part of what the slots are bound to';
CREATE INDEX node_change ON vault.node (change);
-- Ciphertext does not compress, and a node is always read whole: two fit on a page, so none goes to TOAST.
ALTER TABLE vault.node ALTER blob SET STORAGE PLAIN;

-- Which number comes next in each numbered region of a tenant's subtree (tenant 0: the list of tenants itself).
CREATE TABLE vault.counter (
    tenant_id bigint NOT NULL,
    space     smallint NOT NULL CHECK (space BETWEEN 0 AND 4),
    next_no   bigint NOT NULL CHECK (next_no BETWEEN 0 AND 1090785344),
    PRIMARY KEY (tenant_id, space),
    CHECK ((tenant_id = 0) = (space = 0))
);
COMMENT ON TABLE vault.counter IS 'Slot numbers handed out so far; never goes back, so no slot is used twice';
COMMENT ON COLUMN vault.counter.next_no IS 'At most 64 + 64^2 + … + 64^5: what the five regions of a space hold';
COMMENT ON COLUMN vault.counter.space IS '0 tenants, 1 subjects, 2 subjects under a duty, 3 periods, 4 duty periods';

CREATE TABLE vault.slot (
    tenant_id  bigint NOT NULL,
    subject_id uuid NOT NULL,
    key_class  smallint NOT NULL CHECK (key_class BETWEEN 1 AND 4),
    version    integer NOT NULL CHECK (version > 0),
    slot_no    bigint NOT NULL CHECK (slot_no >= 0),
    PRIMARY KEY (tenant_id, subject_id, key_class, version)
);
COMMENT ON TABLE vault.slot IS 'Claims: which slot holds the key of which subject and class';
-- Two subjects on one key would be erased together, or not at all.
CREATE UNIQUE INDEX slot_number ON vault.slot (tenant_id, (key_class > 2), slot_no);
COMMENT ON COLUMN vault.slot.slot_no IS 'Number in the subject space of the class (1: main and special; 2: duties)';

CREATE TABLE vault.period (
    tenant_id bigint NOT NULL,
    period_id bigint NOT NULL CHECK (period_id BETWEEN 0 AND 4294967295),
    slot_no   bigint NOT NULL CHECK (slot_no >= 0),
    PRIMARY KEY (tenant_id, period_id)
);
COMMENT ON TABLE vault.period IS 'Claims: which slot holds the key of which retention class and period';
COMMENT ON COLUMN vault.period.period_id IS 'Retention class in the upper 8 bits, period number (yyyymm, yyyy or 0) in the lower 24';

-- What was dropped, for every later restore: keyed, so that it names nobody by itself.
CREATE TABLE vault.tombstone (
    tenant_id bigint NOT NULL,
    mark      bytea NOT NULL CHECK (length(mark) = 32),
    epoch     bigint NOT NULL,
    dropped_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, mark)
);
COMMENT ON TABLE vault.tombstone IS 'HMAC of each erased subject and class, or purged period, under a key of the tree';

GRANT SELECT ON vault.tree, vault.node TO lua_admin, lua_operator, lua_responder, lua_auditor, lua_dpo, lua_accounting, lua_app;
-- Not `change`: who could choose it could make a key book believe that it has seen everything to come.
GRANT INSERT (path, version, blob) ON vault.node TO lua_admin, lua_operator, lua_app, lua_accounting;
GRANT USAGE ON SEQUENCE vault.change TO lua_admin, lua_operator, lua_app, lua_accounting;
GRANT SELECT ON vault.slot, vault.period TO lua_admin, lua_operator, lua_responder, lua_auditor, lua_dpo, lua_accounting, lua_app;
GRANT INSERT ON vault.slot, vault.period TO lua_operator, lua_app, lua_accounting, lua_admin;
GRANT DELETE ON vault.slot, vault.period TO lua_operator, lua_dpo;
GRANT SELECT ON vault.tombstone TO lua_admin, lua_operator, lua_responder, lua_auditor, lua_dpo;
GRANT INSERT ON vault.tombstone TO lua_operator, lua_dpo;
GRANT SELECT, UPDATE (epoch, updated_at) ON vault.tree TO lua_definer;
GRANT SELECT, UPDATE (version, change, blob) ON vault.node TO lua_definer;
GRANT SELECT, INSERT, UPDATE (next_no) ON vault.counter TO lua_definer;
GRANT USAGE ON SEQUENCE vault.change TO lua_definer;
RESET ROLE;

-- Hands out p_count consecutive numbers. Called in a transaction of its own: the row lock is short, and numbers of
-- a change that fails later are simply never used.
CREATE FUNCTION vault.claim(p_tenant bigint, p_space smallint, p_count bigint) RETURNS bigint
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $$
DECLARE
    first_no bigint;
BEGIN
    PERFORM lua.require_tenant(p_tenant);
    IF p_tenant = 0 AND NOT pg_has_role(session_user, 'lua_admin', 'MEMBER') THEN
        RAISE EXCEPTION 'only lua_admin numbers tenants' USING ERRCODE = 'insufficient_privilege';
    END IF;
    IF p_count IS NULL OR p_count < 1 OR p_count > 16777216 THEN
        RAISE EXCEPTION 'cannot claim % numbers', p_count USING ERRCODE = 'invalid_parameter_value';
    END IF;
    INSERT INTO vault.counter AS c (tenant_id, space, next_no) VALUES (p_tenant, p_space, p_count)
    ON CONFLICT (tenant_id, space) DO UPDATE SET next_no = c.next_no + p_count
    RETURNING next_no - p_count INTO first_no;
    RETURN first_no;
END $$;

-- Who changes the tree's root waits here for whoever else does, until the lock time-out.
CREATE FUNCTION vault.lock_tree() RETURNS vault.tree
    LANGUAGE sql SECURITY DEFINER SET search_path = ''
    AS 'SELECT * FROM vault.tree FOR UPDATE';

-- One epoch: every rewritten node must still be the version that was read, else nothing happens. What can be seen
-- without a key is held here: the top node and every parent of a rewritten node are rewritten too, since fresh node
-- keys must be sealed anew above them. That the blobs hold the right keys nobody can see here: the caller reads back.
CREATE FUNCTION vault.turn_epoch(p_from bigint, p_at timestamptz, p_paths bytea[], p_versions integer[], p_blobs bytea[])
    RETURNS bigint LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $$
DECLARE
    rewritten bigint;
BEGIN
    IF EXISTS (SELECT FROM unnest(p_paths) AS w(path) WHERE length(w.path) > 0
               AND NOT substring(w.path FROM 1 FOR length(w.path) - 1) = ANY (p_paths)) THEN
        RAISE EXCEPTION 'a node was rewritten without its parent' USING ERRCODE = 'invalid_parameter_value';
    END IF;
    UPDATE vault.tree SET epoch = p_from + 1, updated_at = p_at WHERE epoch = p_from;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'the tree is no longer at epoch %', p_from USING ERRCODE = 'serialization_failure';
    END IF;
    UPDATE vault.node n SET version = w.version + 1, blob = w.blob, change = nextval('vault.change')
    FROM unnest(p_paths, p_versions, p_blobs) AS w(path, version, blob)
    WHERE n.path = w.path AND n.version = w.version;
    GET DIAGNOSTICS rewritten = ROW_COUNT;
    IF rewritten <> cardinality(p_paths) OR rewritten = 0 THEN
        RAISE EXCEPTION 'only % of % nodes are still as they were read', rewritten, cardinality(p_paths)
            USING ERRCODE = 'serialization_failure';
    END IF;
    RETURN p_from + 1;
END $$;

ALTER FUNCTION vault.claim(bigint, smallint, bigint) OWNER TO lua_definer;
ALTER FUNCTION vault.lock_tree() OWNER TO lua_definer;
ALTER FUNCTION vault.turn_epoch(bigint, timestamptz, bytea[], integer[], bytea[]) OWNER TO lua_definer;
REVOKE ALL ON ALL FUNCTIONS IN SCHEMA vault FROM PUBLIC;
GRANT EXECUTE ON FUNCTION vault.claim(bigint, smallint, bigint) TO lua_admin, lua_operator, lua_app, lua_accounting;
GRANT EXECUTE ON FUNCTION vault.lock_tree(), vault.turn_epoch(bigint, timestamptz, bytea[], integer[], bytea[])
    TO lua_admin, lua_operator, lua_dpo;

-- The tenant's place in the tree; the application role cannot read the directory, which would tell it every tenant.
CREATE FUNCTION vault.key_no(p_tenant bigint) RETURNS bigint
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = ''
    AS 'SELECT key_no FROM lua.tenant_directory WHERE tenant_id = p_tenant AND lua.require_tenant(p_tenant)';

-- Holds the claims of periods to the end of the transaction, so that no purge drops a key under which rows are written.
CREATE FUNCTION vault.hold_periods(p_tenant bigint, p_periods bigint[]) RETURNS TABLE (period_id bigint, slot_no bigint)
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $$
BEGIN
    PERFORM lua.require_tenant(p_tenant);
    RETURN QUERY SELECT p.period_id, p.slot_no FROM vault.period p
                 WHERE p.tenant_id = p_tenant AND p.period_id = ANY (p_periods) FOR KEY SHARE;
END $$;

-- What key books and `key verify` need of all tenants at once; names nobody.
CREATE FUNCTION vault.counters() RETURNS SETOF vault.counter
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = '' AS 'SELECT * FROM vault.counter';
CREATE FUNCTION vault.tombstones(p_after bigint) RETURNS SETOF vault.tombstone
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = '' AS 'SELECT * FROM vault.tombstone WHERE epoch > p_after';
CREATE FUNCTION vault.claimed() RETURNS TABLE (tenant_id bigint, key_no bigint, space smallint, slot_no bigint)
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = '' AS $$
    SELECT s.tenant_id, d.key_no, CASE WHEN s.key_class > 2 THEN 2 ELSE 1 END::smallint, s.slot_no
    FROM vault.slot s LEFT JOIN lua.tenant_directory d ON d.tenant_id = s.tenant_id
    UNION ALL
    SELECT p.tenant_id, d.key_no, CASE WHEN p.period_id >> 24 = 3 THEN 4 ELSE 3 END::smallint, p.slot_no
    FROM vault.period p LEFT JOIN lua.tenant_directory d ON d.tenant_id = p.tenant_id
$$;

GRANT SELECT ON vault.slot, vault.tombstone TO lua_definer;
GRANT SELECT, UPDATE (slot_no) ON vault.period TO lua_definer;  -- a row lock asks for UPDATE
GRANT INSERT ON vault.tree TO lua_admin;
DO $owners$
DECLARE
    f regprocedure;
BEGIN
    FOREACH f IN ARRAY ARRAY['vault.key_no(bigint)', 'vault.hold_periods(bigint, bigint[])', 'vault.counters()',
                             'vault.tombstones(bigint)', 'vault.claimed()']::regprocedure[]
    LOOP
        EXECUTE format('ALTER FUNCTION %s OWNER TO lua_definer', f);
        EXECUTE format('REVOKE ALL ON FUNCTION %s FROM PUBLIC', f);
    END LOOP;
END
$owners$;
GRANT EXECUTE ON FUNCTION vault.key_no(bigint)
    TO lua_admin, lua_operator, lua_responder, lua_auditor, lua_dpo, lua_accounting, lua_app;
GRANT EXECUTE ON FUNCTION vault.hold_periods(bigint, bigint[]) TO lua_admin, lua_operator, lua_accounting, lua_app;
GRANT EXECUTE ON FUNCTION vault.counters(), vault.tombstones(bigint), vault.claimed()
    TO lua_admin, lua_operator, lua_auditor, lua_dpo;
