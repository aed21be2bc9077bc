-- What erasing and purging many people's rows at once need not do (docs/design/erasure.md has the measurements).
SET LOCAL ROLE lua_owner;

-- Room on each page for the row versions that an erasure leaves: who is erased is marked, and their invoices are hidden,
-- by an UPDATE of columns that no index has. On a full page the new version goes elsewhere and every index of the table
-- gets one entry more; beside the old one it costs none (a heap-only tuple), and the old one goes with the next look at
-- the page. Pages written before keep their fill until VACUUM FULL or until rows on them go.
ALTER TABLE crm.subject_pooled SET (fillfactor = 90);
ALTER TABLE crm.invoice_pooled SET (fillfactor = 80);
ALTER TABLE crm.invoice_line_pooled SET (fillfactor = 90);

-- As before, but a partition gets the storage parameters of the pooled one too: their parent can have none to hand down.
CREATE OR REPLACE FUNCTION lua.add_partitions(p_dedicated bigint) RETURNS void
    LANGUAGE plpgsql SET search_path = '' AS $$
DECLARE
    one record;
    own text;
    key record;
BEGIN
    FOR one IN SELECT c.oid::regclass AS parent, c.relname, p.partdefid::regclass AS pooled,
                      array_to_string(m.reloptions, ', ') AS storage
               FROM pg_catalog.pg_partitioned_table p JOIN pg_catalog.pg_class c ON c.oid = p.partrelid
               JOIN pg_catalog.pg_class m ON m.oid = p.partdefid
               WHERE c.relnamespace = 'crm'::regnamespace AND p.partstrat = 'l' ORDER BY c.oid
    LOOP
        own := format('crm.%I', one.relname || '_t' || p_dedicated);
        CONTINUE WHEN EXISTS (SELECT FROM pg_catalog.pg_inherits i
                              WHERE i.inhparent = one.parent AND i.inhrelid = to_regclass(own));
        EXECUTE format('CREATE TABLE %s PARTITION OF %s FOR VALUES IN (%s)', own, one.parent, p_dedicated);
        PERFORM lua.imitate(one.parent, own::regclass);
        IF one.storage <> '' THEN
            EXECUTE format('ALTER TABLE %s SET (%s)', own, one.storage);
        END IF;
        FOR key IN SELECT c.conname, pg_get_constraintdef(c.oid) AS definition FROM pg_catalog.pg_constraint c
                   WHERE c.conrelid = one.pooled AND c.contype = 'f' LOOP
            EXECUTE format('ALTER TABLE %s ADD CONSTRAINT %I %s', own, key.conname,
                           replace(key.definition, '_pooled(', format('_t%s(', p_dedicated)));
        END LOOP;
    END LOOP;
END $$;

-- The partitions that dedicated tenants have already.
DO $room$
DECLARE
    one record;
BEGIN
    FOR one IN SELECT i.inhrelid::regclass AS own, array_to_string(m.reloptions, ', ') AS storage
               FROM pg_catalog.pg_partitioned_table p JOIN pg_catalog.pg_class c ON c.oid = p.partrelid
               JOIN pg_catalog.pg_class m ON m.oid = p.partdefid AND m.reloptions IS NOT NULL
               JOIN pg_catalog.pg_inherits i ON i.inhparent = c.oid AND i.inhrelid <> p.partdefid
               WHERE c.relnamespace = 'crm'::regnamespace AND p.partstrat = 'l'
    LOOP
        EXECUTE format('ALTER TABLE %s SET (%s)', one.own, one.storage);
    END LOOP;
END
$room$;

-- As before, but no row is read where no hold could cover it: asked for every batch, and for most tenants always so. A
-- condition that names no row of the query is asked once, and false spares the rest; as a join Postgres would begin with
-- the rows, since it reckons with a hold for each.
CREATE OR REPLACE FUNCTION lua.holds_on(p_tenant bigint, p_subjects uuid[]) RETURNS TABLE (subject_id uuid, hold_id uuid)
    LANGUAGE sql STABLE SET search_path = '' AS $$
    SELECT s.id, h.hold_id FROM lua.hold h CROSS JOIN unnest(p_subjects) AS s(id)
    WHERE h.tenant_id = p_tenant AND h.released_at IS NULL AND h.scope = 'tenant'
    UNION ALL
    SELECT h.subject_id, h.hold_id FROM lua.hold h
    WHERE h.tenant_id = p_tenant AND h.released_at IS NULL AND h.subject_id = ANY (p_subjects)
    UNION ALL
    SELECT DISTINCT i.subject_id, h.hold_id FROM lua.hold h
    JOIN crm.interaction i ON i.tenant_id = p_tenant AND i.subject_id = ANY (p_subjects)
         AND lua.covers(h, 'interaction', i.subject_id, i.kind, (i.occurred_at AT TIME ZONE 'UTC')::date)
    WHERE h.tenant_id = p_tenant AND h.released_at IS NULL AND h.scope = 'query' AND h.about = 'interaction'
      AND EXISTS (SELECT FROM lua.hold o WHERE o.tenant_id = p_tenant AND o.released_at IS NULL
                  AND o.scope = 'query' AND o.about = 'interaction')
$$;
RESET ROLE;

-- As before, but lines are found by the numbers of their invoices, which spares a join with all lines there are.
CREATE OR REPLACE FUNCTION crm.retain_invoices(p_tenant bigint, p_subjects uuid[], p_at timestamptz) RETURNS bigint
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $$
DECLARE
    theirs uuid[];
    touched bigint;
BEGIN
    PERFORM lua.require_tenant(p_tenant);
    IF EXISTS (SELECT FROM crm.subject WHERE tenant_id = p_tenant AND subject_id = ANY (p_subjects) AND status <> 'erased') THEN
        RAISE EXCEPTION 'only invoices of erased subjects are hidden' USING ERRCODE = 'check_violation';
    END IF;
    theirs := ARRAY(SELECT i.invoice_id FROM crm.invoice i WHERE i.tenant_id = p_tenant AND i.subject_id = ANY (p_subjects));
    UPDATE crm.invoice_line l SET retained_at = p_at
    WHERE l.tenant_id = p_tenant AND l.invoice_id = ANY (theirs) AND l.retained_at IS NULL;
    UPDATE crm.invoice i SET retained_at = p_at
    WHERE i.tenant_id = p_tenant AND i.invoice_id = ANY (theirs) AND i.retained_at IS NULL;
    GET DIAGNOSTICS touched = ROW_COUNT;
    RETURN touched;
END $$;

-- As before, but claims are found by an index, class by class, which spares a join with all claims of the tenant.
CREATE OR REPLACE FUNCTION vault.give_up_slots(p_tenant bigint, p_subjects uuid[], p_classes smallint[])
    RETURNS TABLE (key_class smallint, slot_no bigint)
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $$
DECLARE
    held uuid;
    going smallint;
BEGIN
    PERFORM lua.require_tenant(p_tenant), lua.keep_holds(p_tenant);
    SELECT h.subject_id INTO held FROM lua.holds_on(p_tenant, p_subjects) AS h LIMIT 1;
    IF held IS NULL THEN
        SELECT i.subject_id INTO held FROM unnest(p_subjects, p_classes) AS w(id, key_class)
        JOIN crm.invoice i ON i.tenant_id = p_tenant AND i.subject_id = w.id
        JOIN lua.hold h ON h.tenant_id = p_tenant AND lua.covers(h, 'invoice', i.subject_id, NULL, i.issued_on)
        WHERE w.key_class > 2 LIMIT 1;
    END IF;
    IF held IS NOT NULL THEN
        RAISE EXCEPTION 'subject % is held', held USING ERRCODE = 'check_violation';
    END IF;
    FOR going IN SELECT DISTINCT w.key_class FROM unnest(p_classes) AS w(key_class) LOOP
        RETURN QUERY DELETE FROM vault.slot s
        WHERE s.tenant_id = p_tenant AND s.key_class = going AND s.subject_id = ANY (ARRAY(
            SELECT w.id FROM unnest(p_subjects, p_classes) AS w(id, key_class) WHERE w.key_class = going))
        RETURNING s.key_class, s.slot_no;
    END LOOP;
END $$;

-- As before, but each kind of candidate is looked for only until there are enough: not all held rows for each batch of
-- them. Arrays of holds come first, so that their rows are found by an index.
CREATE OR REPLACE FUNCTION crm.interactions_to_move(p_tenant bigint, p_limit integer, p_at timestamptz)
    RETURNS TABLE (row_id uuid, line_no integer, subject_id uuid, retention_period integer, target integer, sealed bytea)
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $$
DECLARE
    last integer;
    chosen uuid[];
BEGIN
    PERFORM lua.require_tenant(p_tenant), lua.require_time(p_at), lua.keep_holds(p_tenant);
    last := lua.last_due(p_tenant, 'interaction', p_at);
    chosen := ARRAY(
        (SELECT i.interaction_id FROM crm.interaction i
         WHERE i.tenant_id = p_tenant AND i.retention_period BETWEEN 1 AND last AND i.held_under IS NULL
           AND i.subject_id = ANY (ARRAY(SELECT h.subject_id FROM lua.hold h WHERE h.tenant_id = p_tenant
                                         AND h.released_at IS NULL AND h.scope = 'subject'))
         ORDER BY i.interaction_id LIMIT p_limit)
        UNION
        (SELECT i.interaction_id FROM crm.interaction i
         WHERE i.tenant_id = p_tenant AND i.retention_period BETWEEN 1 AND last AND i.held_under IS NULL
           AND EXISTS (SELECT FROM lua.hold o WHERE o.tenant_id = p_tenant AND o.released_at IS NULL AND o.scope <> 'subject')
           AND EXISTS (SELECT FROM lua.hold h WHERE h.tenant_id = p_tenant AND h.scope <> 'subject'
                       AND lua.covers(h, 'interaction', i.subject_id, i.kind, (i.occurred_at AT TIME ZONE 'UTC')::date))
         ORDER BY i.interaction_id LIMIT p_limit)
        UNION
        (SELECT i.interaction_id FROM crm.interaction i
         WHERE i.tenant_id = p_tenant
           AND i.held_under = ANY (ARRAY(SELECT r.hold_no FROM lua.hold r WHERE r.tenant_id = p_tenant
                                         AND r.released_at IS NOT NULL))
         ORDER BY i.interaction_id LIMIT p_limit)
        ORDER BY 1 LIMIT p_limit);
    RETURN QUERY
    SELECT i.interaction_id, NULL::integer, i.subject_id, i.retention_period,
           (SELECT min(h.hold_no) FROM lua.hold h WHERE h.tenant_id = p_tenant
            AND lua.covers(h, 'interaction', i.subject_id, i.kind, (i.occurred_at AT TIME ZONE 'UTC')::date)),
           i.personal
    FROM crm.interaction i
    WHERE i.tenant_id = p_tenant AND i.interaction_id = ANY (chosen)
    ORDER BY i.interaction_id FOR UPDATE OF i;
END $$;

CREATE OR REPLACE FUNCTION crm.invoices_to_move(p_tenant bigint, p_limit integer, p_at timestamptz)
    RETURNS TABLE (row_id uuid, line_no integer, subject_id uuid, retention_period integer, target integer, sealed bytea)
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $$
DECLARE
    last integer;
    chosen uuid[];
BEGIN
    PERFORM lua.require_tenant(p_tenant), lua.require_time(p_at), lua.keep_holds(p_tenant);
    last := lua.last_due(p_tenant, 'invoice', p_at);
    chosen := ARRAY(
        (SELECT i.invoice_id FROM crm.invoice i
         WHERE i.tenant_id = p_tenant AND i.retention_period BETWEEN 1 AND last AND i.held_under IS NULL
           AND i.subject_id = ANY (ARRAY(SELECT h.subject_id FROM lua.hold h WHERE h.tenant_id = p_tenant
                                         AND h.released_at IS NULL AND h.scope = 'subject'))
         ORDER BY i.invoice_id LIMIT p_limit)
        UNION
        (SELECT i.invoice_id FROM crm.invoice i
         WHERE i.tenant_id = p_tenant AND i.retention_period BETWEEN 1 AND last AND i.held_under IS NULL
           AND EXISTS (SELECT FROM lua.hold o WHERE o.tenant_id = p_tenant AND o.released_at IS NULL AND o.scope <> 'subject')
           AND EXISTS (SELECT FROM lua.hold h WHERE h.tenant_id = p_tenant AND h.scope <> 'subject'
                       AND lua.covers(h, 'invoice', i.subject_id, NULL, i.issued_on))
         ORDER BY i.invoice_id LIMIT p_limit)
        UNION
        (SELECT i.invoice_id FROM crm.invoice i
         WHERE i.tenant_id = p_tenant
           AND i.held_under = ANY (ARRAY(SELECT r.hold_no FROM lua.hold r WHERE r.tenant_id = p_tenant
                                         AND r.released_at IS NOT NULL))
         ORDER BY i.invoice_id LIMIT p_limit)
        ORDER BY 1 LIMIT p_limit);
    RETURN QUERY
    WITH moving AS (
        SELECT i.invoice_id, i.subject_id, i.retention_period,
               (SELECT min(h.hold_no) FROM lua.hold h WHERE h.tenant_id = p_tenant
                AND lua.covers(h, 'invoice', i.subject_id, NULL, i.issued_on)) AS target, i.accounting
        FROM crm.invoice i
        WHERE i.tenant_id = p_tenant AND i.invoice_id = ANY (chosen)
        ORDER BY i.invoice_id FOR UPDATE OF i
    )
    SELECT m.invoice_id, NULL::integer, m.subject_id, m.retention_period, m.target, m.accounting FROM moving m
    UNION ALL
    SELECT l.invoice_id, l.line_no, m.subject_id, m.retention_period, m.target, l.accounting
    FROM moving m JOIN crm.invoice_line l ON l.tenant_id = p_tenant AND l.invoice_id = m.invoice_id
    ORDER BY 1, 2 NULLS FIRST;
END $$;
