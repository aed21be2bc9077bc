-- Moving rows between the periods of a tenant, so that a hold keeps them while their own period's key goes
-- (docs/design/hold.md).
-- What must move before a key goes: held rows of due periods, and rows under a hold that was released. `target` is the
-- number of the hold that covers a row now; null: it goes back under the key of its own period. Rows come locked.
CREATE FUNCTION crm.interactions_to_move(p_tenant bigint, p_limit integer, p_at timestamptz)
    RETURNS TABLE (row_id uuid, line_no integer, subject_id uuid, retention_period integer, target integer, sealed bytea)
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $$
BEGIN
    PERFORM lua.require_tenant(p_tenant), lua.require_time(p_at), lua.keep_holds(p_tenant);
    RETURN QUERY
    SELECT i.interaction_id, NULL::integer, i.subject_id, i.retention_period, w.target, i.personal
    FROM crm.interaction i JOIN (
        SELECT h.interaction_id, h.hold_no AS target
        FROM lua.held_interactions(p_tenant, 1, lua.last_due(p_tenant, 'interaction', p_at)) AS h
        WHERE h.held_under IS NULL
        UNION ALL
        SELECT f.interaction_id, (SELECT min(h.hold_no) FROM lua.hold h WHERE h.tenant_id = p_tenant
                                  AND lua.covers(h, 'interaction', f.subject_id, f.kind,
                                                 (f.occurred_at AT TIME ZONE 'UTC')::date))
        FROM crm.interaction f JOIN lua.hold r ON r.tenant_id = p_tenant AND r.hold_no = f.held_under
        WHERE f.tenant_id = p_tenant AND r.released_at IS NOT NULL
    ) AS w ON w.interaction_id = i.interaction_id
    WHERE i.tenant_id = p_tenant ORDER BY i.interaction_id LIMIT p_limit FOR UPDATE OF i;
END $$;
COMMENT ON FUNCTION crm.interactions_to_move IS 'Up to p_limit interactions that must be sealed under another period before keys go';

CREATE FUNCTION crm.invoices_to_move(p_tenant bigint, p_limit integer, p_at timestamptz)
    RETURNS TABLE (row_id uuid, line_no integer, subject_id uuid, retention_period integer, target integer, sealed bytea)
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $$
BEGIN
    PERFORM lua.require_tenant(p_tenant), lua.require_time(p_at), lua.keep_holds(p_tenant);
    RETURN QUERY
    WITH chosen AS (
        SELECT i.invoice_id, i.subject_id, i.retention_period, w.target, i.accounting
        FROM crm.invoice i JOIN (
            SELECT h.invoice_id, h.hold_no AS target
            FROM lua.held_invoices(p_tenant, 1, lua.last_due(p_tenant, 'invoice', p_at)) AS h
            WHERE h.held_under IS NULL
            UNION ALL
            SELECT f.invoice_id, (SELECT min(h.hold_no) FROM lua.hold h WHERE h.tenant_id = p_tenant
                                  AND lua.covers(h, 'invoice', f.subject_id, NULL, f.issued_on))
            FROM crm.invoice f JOIN lua.hold r ON r.tenant_id = p_tenant AND r.hold_no = f.held_under
            WHERE f.tenant_id = p_tenant AND r.released_at IS NOT NULL
        ) AS w ON w.invoice_id = i.invoice_id
        WHERE i.tenant_id = p_tenant ORDER BY i.invoice_id LIMIT p_limit FOR UPDATE OF i
    )
    SELECT c.invoice_id, NULL::integer, c.subject_id, c.retention_period, c.target, c.accounting FROM chosen c
    UNION ALL
    SELECT l.invoice_id, l.line_no, c.subject_id, c.retention_period, c.target, l.accounting
    FROM chosen c JOIN crm.invoice_line l ON l.tenant_id = p_tenant AND l.invoice_id = c.invoice_id
    ORDER BY 1, 2 NULLS FIRST;
END $$;
COMMENT ON FUNCTION crm.invoices_to_move IS 'Up to p_limit invoices, each with its lines, that must be sealed under another period before keys go';

-- What can be seen of a sealed value without a key is held here: same length, class and key version as before, and the
-- period that the move is to. That it still holds the same text only whoever has the keys can tell: the caller reads it back.
CREATE FUNCTION crm.is_moved(p_old bytea, p_new bytea, p_period bigint) RETURNS boolean LANGUAGE sql IMMUTABLE
    AS $$ SELECT length(p_new) = length(p_old) AND substring(p_new FROM 1 FOR 6) = substring(p_old FROM 1 FOR 6)
                 AND substring(p_new FROM 7 FOR 4) = substring(int8send(p_period) FROM 5 FOR 4) $$;
ALTER FUNCTION crm.is_moved(bytea, bytea, bigint) OWNER TO lua_owner;
REVOKE ALL ON FUNCTION crm.is_moved(bytea, bytea, bigint) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION crm.is_moved(bytea, bytea, bigint) TO lua_definer;

CREATE FUNCTION crm.move_interactions(p_tenant bigint, p_rows uuid[], p_targets integer[], p_seals bytea[], p_at timestamptz)
    RETURNS bigint LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $$
DECLARE
    moved bigint;
BEGIN
    PERFORM lua.require_tenant(p_tenant), lua.require_time(p_at), lua.keep_holds(p_tenant);
    UPDATE crm.interaction i SET personal = w.sealed, held_under = w.target
    FROM unnest(p_rows, p_targets, p_seals) AS w(row_id, target, sealed)
    WHERE i.tenant_id = p_tenant AND i.interaction_id = w.row_id
      AND (i.held_under IS NULL OR EXISTS (
          SELECT FROM lua.hold r WHERE r.tenant_id = p_tenant AND r.hold_no = i.held_under AND r.released_at IS NOT NULL))
      AND CASE WHEN w.target IS NULL
               THEN i.held_under IS NOT NULL AND crm.is_moved(i.personal, w.sealed, (2::bigint << 24) + i.retention_period)
               ELSE crm.is_moved(i.personal, w.sealed, (4::bigint << 24) + w.target) AND EXISTS (
                   SELECT FROM lua.hold h WHERE h.tenant_id = p_tenant AND h.hold_no = w.target AND lua.covers(
                       h, 'interaction', i.subject_id, i.kind, (i.occurred_at AT TIME ZONE 'UTC')::date)) END;
    GET DIAGNOSTICS moved = ROW_COUNT;
    IF moved <> cardinality(p_rows) THEN
        RAISE EXCEPTION 'only % of % interactions can move so', moved, cardinality(p_rows)
            USING ERRCODE = 'check_violation';
    END IF;
    RETURN moved;
END $$;
COMMENT ON FUNCTION crm.move_interactions IS 'Puts interactions under another period''s key, all of them or none; returns how many';

CREATE FUNCTION crm.move_invoices(
    p_tenant bigint, p_rows uuid[], p_lines integer[], p_targets integer[], p_seals bytea[], p_at timestamptz
) RETURNS bigint LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $$
DECLARE
    moved bigint;
    lines bigint;
BEGIN
    PERFORM lua.require_tenant(p_tenant), lua.require_time(p_at), lua.keep_holds(p_tenant);
    -- Every line of an invoice moves with it: else one would stay behind under a key that goes.
    IF EXISTS (SELECT FROM crm.invoice_line l WHERE l.tenant_id = p_tenant AND l.invoice_id = ANY (p_rows)
               AND NOT EXISTS (SELECT FROM unnest(p_rows, p_lines) AS w(row_id, line_no)
                               WHERE w.row_id = l.invoice_id AND w.line_no = l.line_no)) THEN
        RAISE EXCEPTION 'an invoice moves with all its lines' USING ERRCODE = 'check_violation';
    END IF;
    UPDATE crm.invoice_line l SET accounting = w.sealed
    FROM unnest(p_rows, p_lines, p_targets, p_seals) AS w(row_id, line_no, target, sealed)
    JOIN crm.invoice i ON i.tenant_id = p_tenant AND i.invoice_id = w.row_id
    WHERE l.tenant_id = p_tenant AND l.invoice_id = w.row_id AND l.line_no = w.line_no
      AND crm.is_moved(l.accounting, w.sealed, CASE WHEN w.target IS NULL THEN (3::bigint << 24) + i.retention_period
                                                    ELSE (5::bigint << 24) + w.target END);
    GET DIAGNOSTICS lines = ROW_COUNT;
    UPDATE crm.invoice i SET accounting = w.sealed, held_under = w.target
    FROM unnest(p_rows, p_lines, p_targets, p_seals) AS w(row_id, line_no, target, sealed)
    WHERE i.tenant_id = p_tenant AND i.invoice_id = w.row_id AND w.line_no IS NULL
      AND (i.held_under IS NULL OR EXISTS (
          SELECT FROM lua.hold r WHERE r.tenant_id = p_tenant AND r.hold_no = i.held_under AND r.released_at IS NOT NULL))
      AND CASE WHEN w.target IS NULL
               THEN i.held_under IS NOT NULL AND crm.is_moved(i.accounting, w.sealed, (3::bigint << 24) + i.retention_period)
               ELSE crm.is_moved(i.accounting, w.sealed, (5::bigint << 24) + w.target) AND EXISTS (
                   SELECT FROM lua.hold h WHERE h.tenant_id = p_tenant AND h.hold_no = w.target
                   AND lua.covers(h, 'invoice', i.subject_id, NULL, i.issued_on)) END;
    GET DIAGNOSTICS moved = ROW_COUNT;
    IF moved + lines <> cardinality(p_rows) OR moved <> (SELECT count(DISTINCT w.id) FROM unnest(p_rows) AS w(id)) THEN
        RAISE EXCEPTION 'only % of % invoices and lines can move so', moved + lines, cardinality(p_rows)
            USING ERRCODE = 'check_violation';
    END IF;
    RETURN moved;
END $$;
COMMENT ON FUNCTION crm.move_invoices IS 'Puts invoices with their lines under another period''s key, all or none; returns how many invoices';

DO $owners$
DECLARE
    f regprocedure;
BEGIN
    FOREACH f IN ARRAY ARRAY[
        'crm.interactions_to_move(bigint, integer, timestamptz)', 'crm.invoices_to_move(bigint, integer, timestamptz)',
        'crm.move_interactions(bigint, uuid[], integer[], bytea[], timestamptz)',
        'crm.move_invoices(bigint, uuid[], integer[], integer[], bytea[], timestamptz)']::regprocedure[]
    LOOP
        EXECUTE format('ALTER FUNCTION %s OWNER TO lua_definer', f);
        EXECUTE format('REVOKE ALL ON FUNCTION %s FROM PUBLIC', f);
        EXECUTE format('GRANT EXECUTE ON FUNCTION %s TO lua_operator, lua_dpo', f);
    END LOOP;
END
$owners$;
