-- Keys of a whole tenant, and superseded versions of a person's key (formats.md, 2.8): given up where holds are asked for,
-- as all claims are. Rows are sealed under the next version and nothing else about them changes.

CREATE FUNCTION vault.give_up_versions(p_tenant bigint, p_subjects uuid[], p_classes smallint[], p_versions integer[])
    RETURNS TABLE (key_class smallint, slot_no bigint)
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $$
DECLARE
    held uuid;
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
    RETURN QUERY DELETE FROM vault.slot s USING unnest(p_subjects, p_classes, p_versions) AS w(id, key_class, version)
    WHERE s.tenant_id = p_tenant AND s.subject_id = w.id AND s.key_class = w.key_class AND s.version = w.version
    RETURNING s.key_class, s.slot_no;
END $$;
COMMENT ON FUNCTION vault.give_up_versions IS 'Gives up single key versions of people who are not held; returns the slots';

CREATE FUNCTION vault.give_up_tenant(p_tenant bigint) RETURNS bigint
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $$
DECLARE
    slots   bigint;
    periods bigint;
BEGIN
    PERFORM lua.require_tenant(p_tenant), lua.keep_holds(p_tenant);
    IF EXISTS (SELECT FROM lua.hold h WHERE h.tenant_id = p_tenant AND h.released_at IS NULL) THEN
        RAISE EXCEPTION 'tenant % has a hold in force', p_tenant USING ERRCODE = 'check_violation';
    END IF;
    DELETE FROM vault.slot s WHERE s.tenant_id = p_tenant;
    GET DIAGNOSTICS slots = ROW_COUNT;
    DELETE FROM vault.period d WHERE d.tenant_id = p_tenant;
    GET DIAGNOSTICS periods = ROW_COUNT;
    RETURN slots + periods;
END $$;
COMMENT ON FUNCTION vault.give_up_tenant IS 'Gives up all keys of a tenant that no hold keeps; returns how many';

SET LOCAL ROLE lua_owner;
-- Bytes of a frame: 0 format, 1 class, 2-5 key version, 6-9 period (formats.md, 3).
CREATE FUNCTION crm.is_resealed(p_old bytea, p_new bytea) RETURNS boolean LANGUAGE sql IMMUTABLE
    AS $$ SELECT substring(p_new FROM 1 FOR 2) = substring(p_old FROM 1 FOR 2)
             AND substring(p_new FROM 7 FOR 4) = substring(p_old FROM 7 FOR 4)
             AND ('x' || encode(substring(p_new FROM 3 FOR 4), 'hex'))::bit(32)::bigint
                 = ('x' || encode(substring(p_old FROM 3 FOR 4), 'hex'))::bit(32)::bigint + 1 $$;
COMMENT ON FUNCTION crm.is_resealed IS 'Whether a sealed value is of the same class and period as another, and of the next key version';
REVOKE ALL ON FUNCTION crm.is_resealed(bytea, bytea) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION crm.is_resealed(bytea, bytea) TO lua_definer;
RESET ROLE;

CREATE FUNCTION crm.reseal_interactions(p_tenant bigint, p_rows uuid[], p_seals bytea[]) RETURNS bigint
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $$
DECLARE
    changed bigint;
BEGIN
    PERFORM lua.require_tenant(p_tenant), lua.keep_holds(p_tenant);
    IF EXISTS (SELECT FROM lua.holds_on(p_tenant, ARRAY(SELECT DISTINCT i.subject_id FROM crm.interaction i
               WHERE i.tenant_id = p_tenant AND i.interaction_id = ANY (p_rows)))) THEN
        RAISE EXCEPTION 'one of these people is held' USING ERRCODE = 'check_violation';
    END IF;
    UPDATE crm.interaction t SET personal = w.sealed FROM unnest(p_rows, p_seals) AS w(id, sealed)
    WHERE t.tenant_id = p_tenant AND t.interaction_id = w.id AND crm.is_resealed(t.personal, w.sealed);
    GET DIAGNOSTICS changed = ROW_COUNT;
    RETURN changed;
END $$;
COMMENT ON FUNCTION crm.reseal_interactions IS 'Puts interactions under the next version of their person''s key; returns how many';

CREATE FUNCTION crm.reseal_invoices(p_tenant bigint, p_rows uuid[], p_seals bytea[]) RETURNS bigint
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $$
DECLARE
    changed bigint;
BEGIN
    PERFORM lua.require_tenant(p_tenant), lua.keep_holds(p_tenant);
    UPDATE crm.invoice t SET accounting = w.sealed FROM unnest(p_rows, p_seals) AS w(id, sealed)
    WHERE t.tenant_id = p_tenant AND t.invoice_id = w.id AND crm.is_resealed(t.accounting, w.sealed)
      AND NOT EXISTS (SELECT FROM lua.hold h WHERE h.tenant_id = p_tenant
                      AND lua.covers(h, 'invoice', t.subject_id, NULL, t.issued_on));
    GET DIAGNOSTICS changed = ROW_COUNT;
    RETURN changed;
END $$;
COMMENT ON FUNCTION crm.reseal_invoices IS 'Puts invoices that no hold covers under the next version of their person''s key; returns how many';

CREATE FUNCTION crm.reseal_invoice_lines(p_tenant bigint, p_invoices uuid[], p_lines integer[], p_seals bytea[]) RETURNS bigint
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $$
DECLARE
    changed bigint;
BEGIN
    PERFORM lua.require_tenant(p_tenant), lua.keep_holds(p_tenant);
    UPDATE crm.invoice_line t SET accounting = w.sealed
    FROM unnest(p_invoices, p_lines, p_seals) AS w(invoice_id, line_no, sealed), crm.invoice i
    WHERE t.tenant_id = p_tenant AND t.invoice_id = w.invoice_id AND t.line_no = w.line_no
      AND crm.is_resealed(t.accounting, w.sealed) AND i.tenant_id = p_tenant AND i.invoice_id = t.invoice_id
      AND NOT EXISTS (SELECT FROM lua.hold h WHERE h.tenant_id = p_tenant
                      AND lua.covers(h, 'invoice', i.subject_id, NULL, i.issued_on));
    GET DIAGNOSTICS changed = ROW_COUNT;
    RETURN changed;
END $$;
COMMENT ON FUNCTION crm.reseal_invoice_lines IS 'The same for lines of invoices; returns how many';

DO $owners$
DECLARE
    f regprocedure;
BEGIN
    FOREACH f IN ARRAY ARRAY['vault.give_up_versions(bigint, uuid[], smallint[], integer[])', 'vault.give_up_tenant(bigint)',
        'crm.reseal_interactions(bigint, uuid[], bytea[])', 'crm.reseal_invoices(bigint, uuid[], bytea[])',
        'crm.reseal_invoice_lines(bigint, uuid[], integer[], bytea[])']::regprocedure[]
    LOOP
        EXECUTE format('ALTER FUNCTION %s OWNER TO lua_definer', f);
        EXECUTE format('REVOKE ALL ON FUNCTION %s FROM PUBLIC', f);
    END LOOP;
END
$owners$;
GRANT EXECUTE ON FUNCTION vault.give_up_versions(bigint, uuid[], smallint[], integer[]), vault.give_up_tenant(bigint),
    crm.reseal_interactions(bigint, uuid[], bytea[]) TO lua_operator, lua_dpo;
-- Duty data: bookkeeping alone.
GRANT EXECUTE ON FUNCTION crm.reseal_invoices(bigint, uuid[], bytea[]),
    crm.reseal_invoice_lines(bigint, uuid[], integer[], bytea[]) TO lua_accounting;
