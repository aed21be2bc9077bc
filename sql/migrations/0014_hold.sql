-- Legal holds (ISO/IEC 27555, 7.4.4: suspension of deletion). While one is in force, nothing that it covers goes:
-- the functions below through which rows and keys leave ask it themselves, whoever calls them.
SET LOCAL ROLE lua_owner;

CREATE TABLE lua.hold (
    tenant_id     bigint NOT NULL REFERENCES lua.tenant,
    hold_id       uuid NOT NULL,
    hold_no       integer NOT NULL CHECK (hold_no BETWEEN 1 AND 16777215),
    scope         text NOT NULL CHECK (scope IN ('subject', 'tenant', 'query')),
    subject_id    uuid,
    about         text CHECK (about IN ('interaction', 'invoice')),
    kinds         text[],
    first_on      date,
    last_on       date,
    case_ref      text CHECK (case_ref <> '' AND length(case_ref) <= 200),
    reference     text NOT NULL CHECK (reference <> '' AND length(reference) <= 200),
    ground        text NOT NULL CHECK (ground <> '' AND length(ground) <= 200),
    placed_by     text NOT NULL,
    placed_at     timestamptz NOT NULL,
    entry_id      uuid NOT NULL,
    released_by   text,
    released_at   timestamptz,
    reason        text CHECK (reason <> '' AND length(reason) <= 200),
    release_entry uuid,
    PRIMARY KEY (tenant_id, hold_id),
    UNIQUE (tenant_id, hold_no),
    FOREIGN KEY (tenant_id, subject_id) REFERENCES crm.subject (tenant_id, subject_id),
    CHECK ((scope = 'subject') = (subject_id IS NOT NULL)),
    CHECK ((scope = 'query') = (about IS NOT NULL)),
    CHECK (scope = 'query' OR (kinds IS NULL AND first_on IS NULL AND last_on IS NULL)),
    CHECK (kinds IS NULL OR (about = 'interaction' AND cardinality(kinds) > 0
                             AND kinds <@ ARRAY['note', 'call', 'email', 'meeting', 'visit', 'message'])),
    CHECK (last_on >= first_on),
    CHECK (released_at >= placed_at),
    CHECK (num_nulls(released_by, released_at, reason, release_entry) IN (0, 4))
);
COMMENT ON TABLE lua.hold IS 'Legal holds: what may not be erased or purged, on which ground, until somebody releases it';
COMMENT ON COLUMN lua.hold.hold_no IS 'Number of the period under whose key the held rows are sealed once their own period goes';
COMMENT ON COLUMN lua.hold.about IS 'Of a query: which rows it selects. It is asked when something would go, so new rows are held too';
COMMENT ON COLUMN lua.hold.case_ref IS 'Holds of one case are released together or not at all';
COMMENT ON COLUMN lua.hold.placed_by IS 'The login itself, written by lua.place_hold';
CREATE INDEX hold_open ON lua.hold (tenant_id, subject_id) WHERE released_at IS NULL;
ALTER TABLE lua.hold ENABLE ROW LEVEL SECURITY;
ALTER TABLE lua.hold FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON lua.hold
    USING (tenant_id = nullif(current_setting('lua.tenant_id', true), '')::bigint
           AND ((tenant_id < 1099511627776 AND current_user !~ '^lua_t[0-9]')
                OR current_user = 'lua_t' || tenant_id));
GRANT SELECT ON lua.hold TO lua_admin, lua_operator, lua_responder, lua_auditor, lua_dpo, lua_accounting;

ALTER TABLE crm.interaction ADD COLUMN held_under integer;
ALTER TABLE crm.invoice ADD COLUMN held_under integer;
COMMENT ON COLUMN crm.interaction.retention_period IS 'Month of occurrence, yyyymm in UTC: its key seals the row, but for rows that a hold moved';
COMMENT ON COLUMN crm.invoice.retention_period IS 'Year of issue, yyyy: its key seals the row, but for rows that a hold moved';
COMMENT ON COLUMN crm.interaction.held_under IS 'Number of the hold whose period key seals the row; null: that of its own month';
COMMENT ON COLUMN crm.invoice.held_under IS 'Number of the hold whose period key seals row and lines; null: that of its own year';
CREATE INDEX interaction_held ON crm.interaction (tenant_id, held_under) WHERE held_under IS NOT NULL;
CREATE INDEX invoice_held ON crm.invoice (tenant_id, held_under) WHERE held_under IS NOT NULL;
GRANT SELECT (held_under) ON crm.interaction TO lua_admin, lua_responder, lua_auditor;
GRANT SELECT (held_under) ON crm.invoice TO lua_admin, lua_operator, lua_responder, lua_auditor, lua_dpo;
-- Nothing comes into the world held: only the functions below move rows.
CREATE POLICY not_moved ON crm.interaction AS RESTRICTIVE FOR INSERT WITH CHECK (held_under IS NULL);
CREATE POLICY not_moved ON crm.invoice AS RESTRICTIVE FOR INSERT WITH CHECK (held_under IS NULL);

-- Rows leave through functions that ask for holds, and only through them; keys too.
REVOKE DELETE ON vault.slot, vault.period, crm.contact, crm.contact_key, crm.interaction FROM lua_operator, lua_dpo;
GRANT DELETE ON vault.slot, vault.period, crm.contact, crm.contact_key TO lua_definer;
GRANT SELECT (tenant_id, subject_id) ON crm.contact, crm.contact_key TO lua_definer;
GRANT SELECT, INSERT, UPDATE (released_by, released_at, reason, release_entry) ON lua.hold TO lua_definer;
GRANT SELECT (tenant_id, interaction_id, subject_id, kind, occurred_at, retention_period, personal, held_under),
    UPDATE (personal, held_under), DELETE ON crm.interaction TO lua_definer;
GRANT UPDATE (accounting, held_under) ON crm.invoice TO lua_definer;
GRANT UPDATE (accounting) ON crm.invoice_line TO lua_definer;
GRANT UPDATE (updated_at) ON lua.tenant TO lua_definer;  -- a row lock asks for UPDATE
-- Whoever purges moves what is held into the hold's own period, which is claimed at first need.
GRANT INSERT (path, version, blob) ON vault.node TO lua_dpo;
GRANT USAGE ON SEQUENCE vault.change TO lua_dpo;
GRANT INSERT ON vault.period TO lua_dpo;

-- What a hold covers, by nothing but the values of a row: one rule for every question below.
CREATE FUNCTION lua.covers(p_hold lua.hold, p_about text, p_subject uuid, p_kind text, p_day date) RETURNS boolean
    LANGUAGE sql IMMUTABLE AS $$
    SELECT p_hold.released_at IS NULL AND CASE p_hold.scope
        WHEN 'tenant' THEN true
        WHEN 'subject' THEN p_hold.subject_id = p_subject
        ELSE p_hold.about = p_about AND (p_hold.kinds IS NULL OR p_kind = ANY (p_hold.kinds))
             AND (p_hold.first_on IS NULL OR p_day >= p_hold.first_on)
             AND (p_hold.last_on IS NULL OR p_day <= p_hold.last_on)
    END
$$;
COMMENT ON FUNCTION lua.covers IS 'Whether a hold is in force and covers a row of these values; days are in UTC';

-- Keeps new holds from being placed until the transaction ends, so that nothing goes past one that came a moment ago.
CREATE FUNCTION lua.keep_holds(p_tenant bigint) RETURNS boolean LANGUAGE plpgsql SET search_path = '' AS $$
BEGIN
    IF current_setting('transaction_isolation') <> 'read committed' THEN
        RAISE EXCEPTION 'holds are asked for in READ COMMITTED only: an older snapshot would not show a new one'
            USING ERRCODE = 'invalid_transaction_state';
    END IF;
    PERFORM FROM lua.tenant t WHERE t.tenant_id = p_tenant FOR SHARE;
    RETURN true;
END $$;
COMMENT ON FUNCTION lua.keep_holds IS 'True; until the transaction ends no hold of the tenant is placed or released';

-- Erasing somebody drops their main key: so a query that selects one of their interactions holds the whole person.
CREATE FUNCTION lua.holds_on(p_tenant bigint, p_subjects uuid[]) RETURNS TABLE (subject_id uuid, hold_id uuid)
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
$$;
COMMENT ON FUNCTION lua.holds_on IS 'Which of these subjects cannot be erased now, and the holds that say so';

-- Held rows of periods from p_first to p_last with the lowest number among the holds that cover each.
CREATE FUNCTION lua.held_interactions(p_tenant bigint, p_first integer, p_last integer)
    RETURNS TABLE (interaction_id uuid, retention_period integer, held_under integer, hold_no integer)
    LANGUAGE sql STABLE SET search_path = '' AS $$
    SELECT b.interaction_id, b.retention_period, b.held_under, min(b.hold_no) FROM (
        SELECT i.interaction_id, i.retention_period, i.held_under, h.hold_no
        FROM lua.hold h JOIN crm.interaction i ON i.tenant_id = p_tenant AND i.subject_id = h.subject_id
        WHERE h.tenant_id = p_tenant AND h.released_at IS NULL AND i.retention_period BETWEEN p_first AND p_last
        UNION ALL
        SELECT i.interaction_id, i.retention_period, i.held_under, h.hold_no
        FROM lua.hold h JOIN crm.interaction i ON i.tenant_id = p_tenant AND i.retention_period BETWEEN p_first AND p_last
             AND lua.covers(h, 'interaction', i.subject_id, i.kind, (i.occurred_at AT TIME ZONE 'UTC')::date)
        WHERE h.tenant_id = p_tenant AND h.released_at IS NULL AND h.scope <> 'subject'
    ) AS b GROUP BY b.interaction_id, b.retention_period, b.held_under
$$;
CREATE FUNCTION lua.held_invoices(p_tenant bigint, p_first integer, p_last integer)
    RETURNS TABLE (invoice_id uuid, retention_period integer, held_under integer, hold_no integer)
    LANGUAGE sql STABLE SET search_path = '' AS $$
    SELECT b.invoice_id, b.retention_period, b.held_under, min(b.hold_no) FROM (
        SELECT i.invoice_id, i.retention_period, i.held_under, h.hold_no
        FROM lua.hold h JOIN crm.invoice i ON i.tenant_id = p_tenant AND i.subject_id = h.subject_id
        WHERE h.tenant_id = p_tenant AND h.released_at IS NULL AND i.retention_period BETWEEN p_first AND p_last
        UNION ALL
        SELECT i.invoice_id, i.retention_period, i.held_under, h.hold_no
        FROM lua.hold h JOIN crm.invoice i ON i.tenant_id = p_tenant AND i.retention_period BETWEEN p_first AND p_last
             AND lua.covers(h, 'invoice', i.subject_id, NULL, i.issued_on)
        WHERE h.tenant_id = p_tenant AND h.released_at IS NULL AND h.scope <> 'subject'
    ) AS b GROUP BY b.invoice_id, b.retention_period, b.held_under
$$;

-- The last period of a class that is wholly due under the tenant's rule; 0: none is.
CREATE FUNCTION lua.last_due(p_tenant bigint, p_class text, p_at timestamptz) RETURNS integer
    LANGUAGE sql STABLE SET search_path = '' AS $$
    SELECT coalesce((
        SELECT CASE r.starting_point
               WHEN 'year of issue' THEN extract(year FROM m.reached)::integer - 1
               WHEN 'month of occurrence' THEN to_char(m.reached - interval '1 month', 'YYYYMM')::integer
               ELSE 0 END
        FROM lua.retention_rule r
        CROSS JOIN LATERAL (SELECT (p_at AT TIME ZONE 'UTC') - make_interval(months => r.months) AS reached) AS m
        WHERE r.tenant_id = p_tenant AND r.retention_class = p_class), 0)
$$;
COMMENT ON FUNCTION lua.last_due IS 'The newest month (yyyymm) or year of a class that may go at p_at; 0: none';
GRANT EXECUTE ON FUNCTION lua.covers(lua.hold, text, uuid, text, date), lua.holds_on(bigint, uuid[])
    TO lua_admin, lua_operator, lua_responder, lua_auditor, lua_dpo, lua_definer;
GRANT EXECUTE ON FUNCTION lua.keep_holds(bigint), lua.held_interactions(bigint, integer, integer),
    lua.held_invoices(bigint, integer, integer), lua.last_due(bigint, text, timestamptz) TO lua_definer;
RESET ROLE;

CREATE FUNCTION lua.place_hold(
    p_tenant bigint, p_hold uuid, p_scope text, p_subject uuid, p_about text, p_kinds text[], p_first date, p_last date,
    p_case text, p_reference text, p_ground text, p_at timestamptz, p_entry uuid
) RETURNS integer LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $$
DECLARE
    number integer;
BEGIN
    PERFORM lua.require_tenant(p_tenant), lua.require_time(p_at);
    -- Waits for whatever is being erased or purged at this moment, and is seen by whatever comes after. The person
    -- before the tenant, as erasures do, so that none waits for the other.
    PERFORM FROM crm.subject s WHERE s.tenant_id = p_tenant AND s.subject_id = p_subject FOR KEY SHARE;
    PERFORM FROM lua.tenant t WHERE t.tenant_id = p_tenant FOR NO KEY UPDATE;
    SELECT coalesce(max(h.hold_no), 0) + 1 INTO number FROM lua.hold h WHERE h.tenant_id = p_tenant;
    INSERT INTO lua.hold (tenant_id, hold_id, hold_no, scope, subject_id, about, kinds, first_on, last_on, case_ref,
                          reference, ground, placed_by, placed_at, entry_id)
    VALUES (p_tenant, p_hold, number, p_scope, p_subject, p_about, p_kinds, p_first, p_last, p_case,
            p_reference, p_ground, session_user, p_at, p_entry);
    RETURN number;
END $$;
COMMENT ON FUNCTION lua.place_hold IS 'Places a hold in the name of the login; returns its number';

CREATE FUNCTION lua.release_holds(p_tenant bigint, p_holds uuid[], p_reason text, p_at timestamptz, p_entry uuid)
    RETURNS bigint LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $$
DECLARE
    released bigint;
    part text;
BEGIN
    PERFORM lua.require_tenant(p_tenant), lua.require_time(p_at);
    PERFORM FROM lua.tenant t WHERE t.tenant_id = p_tenant FOR NO KEY UPDATE;
    SELECT h.case_ref INTO part FROM lua.hold h JOIN lua.hold o ON o.tenant_id = p_tenant AND o.case_ref = h.case_ref
    WHERE h.tenant_id = p_tenant AND h.hold_id = ANY (p_holds) AND o.released_at IS NULL
      AND NOT o.hold_id = ANY (p_holds) LIMIT 1;
    IF part IS NOT NULL THEN
        RAISE EXCEPTION 'the holds of case % are released together or not at all', part
            USING ERRCODE = 'check_violation';
    END IF;
    UPDATE lua.hold h SET released_by = session_user, released_at = p_at, reason = p_reason, release_entry = p_entry
    WHERE h.tenant_id = p_tenant AND h.hold_id = ANY (p_holds) AND h.released_at IS NULL;
    GET DIAGNOSTICS released = ROW_COUNT;
    IF released <> cardinality(p_holds) THEN
        RAISE EXCEPTION 'only % of % holds are in force', released, cardinality(p_holds)
            USING ERRCODE = 'check_violation';
    END IF;
    RETURN released;
END $$;
COMMENT ON FUNCTION lua.release_holds IS 'Releases holds in the name of the login, all of them or none; cases whole';

CREATE FUNCTION lua.tenant_of_hold(p_hold uuid) RETURNS bigint
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = ''
    AS 'SELECT h.tenant_id FROM lua.hold h WHERE h.hold_id = p_hold AND lua.require_tenant(h.tenant_id)';
COMMENT ON FUNCTION lua.tenant_of_hold IS 'Which tenant a hold belongs to; null when there is none of that id';

CREATE FUNCTION crm.held_due(p_tenant bigint, p_at timestamptz)
    RETURNS TABLE (retention_class text, retention_period integer, held bigint, lines bigint, to_move bigint)
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = '' AS $$
    SELECT 'interaction', i.retention_period, count(*), 0::bigint, count(*) FILTER (WHERE i.held_under IS NULL)
    FROM lua.held_interactions(p_tenant, 1, lua.last_due(p_tenant, 'interaction', p_at)) AS i
    WHERE lua.require_tenant(p_tenant) GROUP BY i.retention_period
    UNION ALL
    SELECT 'invoice', i.retention_period, count(DISTINCT i.invoice_id), count(l.line_no),
           count(DISTINCT i.invoice_id) FILTER (WHERE i.held_under IS NULL)
    FROM lua.held_invoices(p_tenant, 1, lua.last_due(p_tenant, 'invoice', p_at)) AS i
    LEFT JOIN crm.invoice_line l ON l.tenant_id = p_tenant AND l.invoice_id = i.invoice_id
    WHERE lua.require_tenant(p_tenant) GROUP BY i.retention_period
    ORDER BY 1, 2
$$;
COMMENT ON FUNCTION crm.held_due IS 'Rows that are due but held, per period, and how many still lie under the key of that period';

-- Neither the rule nor a hold rests on the caller: the function asks both itself.
CREATE FUNCTION crm.purge_interactions(p_tenant bigint, p_period integer, p_limit integer, p_at timestamptz)
    RETURNS bigint LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $$
DECLARE
    gone bigint;
BEGIN
    PERFORM lua.require_tenant(p_tenant), lua.require_time(p_at), lua.keep_holds(p_tenant);
    IF p_period > lua.last_due(p_tenant, 'interaction', p_at) THEN
        RAISE EXCEPTION 'interactions of % are kept: the rule does not let them go yet', p_period
            USING ERRCODE = 'check_violation';
    END IF;
    DELETE FROM crm.interaction d WHERE d.tenant_id = p_tenant AND d.interaction_id IN (
        SELECT i.interaction_id FROM crm.interaction i
        WHERE i.tenant_id = p_tenant AND i.retention_period = p_period
          AND NOT EXISTS (SELECT FROM lua.held_interactions(p_tenant, p_period, p_period) AS h
                          WHERE h.interaction_id = i.interaction_id)
        LIMIT p_limit);
    GET DIAGNOSTICS gone = ROW_COUNT;
    RETURN gone;
END $$;
COMMENT ON FUNCTION crm.purge_interactions IS
    'Deletes up to p_limit interactions of one month that the rule lets go and no hold keeps; returns how many';

CREATE OR REPLACE FUNCTION crm.purge_invoices(p_tenant bigint, p_period integer, p_limit integer, p_at timestamptz)
    RETURNS TABLE (invoices bigint, lines bigint)
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $$
DECLARE
    chosen uuid[];
BEGIN
    PERFORM lua.require_tenant(p_tenant), lua.require_time(p_at), lua.keep_holds(p_tenant);
    IF p_period > lua.last_due(p_tenant, 'invoice', p_at) THEN
        RAISE EXCEPTION 'invoices of % are kept: the rule does not let them go yet', p_period
            USING ERRCODE = 'check_violation';
    END IF;
    chosen := ARRAY(SELECT i.invoice_id FROM crm.invoice i WHERE i.tenant_id = p_tenant AND i.retention_period = p_period
                    AND NOT EXISTS (SELECT FROM lua.held_invoices(p_tenant, p_period, p_period) AS h
                                    WHERE h.invoice_id = i.invoice_id)
                    LIMIT p_limit);
    DELETE FROM crm.invoice_line l WHERE l.tenant_id = p_tenant AND l.invoice_id = ANY (chosen);
    GET DIAGNOSTICS lines = ROW_COUNT;
    DELETE FROM crm.invoice i WHERE i.tenant_id = p_tenant AND i.invoice_id = ANY (chosen);
    GET DIAGNOSTICS invoices = ROW_COUNT;
    RETURN NEXT;
END $$;
COMMENT ON FUNCTION crm.purge_invoices IS
    'Deletes up to p_limit invoices of one year with their lines that the rule lets go and no hold keeps; returns how many';

CREATE OR REPLACE FUNCTION crm.mark_erased(p_tenant bigint, p_subjects uuid[], p_at timestamptz) RETURNS bigint
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $$
DECLARE
    marked bigint;
BEGIN
    PERFORM lua.require_tenant(p_tenant), lua.require_time(p_at), lua.keep_holds(p_tenant);
    IF EXISTS (SELECT FROM lua.holds_on(p_tenant, p_subjects)) THEN
        RAISE EXCEPTION 'one of these people is held' USING ERRCODE = 'check_violation';
    END IF;
    UPDATE crm.subject SET status = 'erased', personal = NULL, erased_at = p_at, updated_at = p_at
    WHERE tenant_id = p_tenant AND subject_id = ANY (p_subjects) AND status = 'active';
    GET DIAGNOSTICS marked = ROW_COUNT;
    RETURN marked;
END $$;

CREATE FUNCTION crm.erase_rows(p_tenant bigint, p_subjects uuid[])
    RETURNS TABLE (contacts bigint, contact_keys bigint, interactions bigint)
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $$
BEGIN
    PERFORM lua.require_tenant(p_tenant), lua.keep_holds(p_tenant);
    IF EXISTS (SELECT FROM lua.holds_on(p_tenant, p_subjects)) THEN
        RAISE EXCEPTION 'one of these people is held' USING ERRCODE = 'check_violation';
    END IF;
    DELETE FROM crm.contact d WHERE d.tenant_id = p_tenant AND d.subject_id = ANY (p_subjects);
    GET DIAGNOSTICS contacts = ROW_COUNT;
    DELETE FROM crm.contact_key d WHERE d.tenant_id = p_tenant AND d.subject_id = ANY (p_subjects);
    GET DIAGNOSTICS contact_keys = ROW_COUNT;
    DELETE FROM crm.interaction d WHERE d.tenant_id = p_tenant AND d.subject_id = ANY (p_subjects);
    GET DIAGNOSTICS interactions = ROW_COUNT;
    RETURN NEXT;
END $$;
COMMENT ON FUNCTION crm.erase_rows IS 'Deletes all rows of these people that no duty keeps, none of them held; returns how many';

-- Claims are given up here and nowhere else: what they say is what a dropped key takes with it.
CREATE FUNCTION vault.give_up_slots(p_tenant bigint, p_subjects uuid[], p_classes smallint[])
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
    RETURN QUERY DELETE FROM vault.slot s USING unnest(p_subjects, p_classes) AS w(id, key_class)
    WHERE s.tenant_id = p_tenant AND s.subject_id = w.id AND s.key_class = w.key_class
    RETURNING s.key_class, s.slot_no;
END $$;
COMMENT ON FUNCTION vault.give_up_slots IS 'Gives up all key versions of these subjects and classes, none of them held; returns the slots';

CREATE FUNCTION vault.give_up_periods(p_tenant bigint, p_periods bigint[])
    RETURNS TABLE (period_id bigint, slot_no bigint)
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $$
DECLARE
    p bigint;
    n integer;
    held boolean;
BEGIN
    PERFORM lua.require_tenant(p_tenant), lua.keep_holds(p_tenant);
    FOREACH p IN ARRAY p_periods LOOP
        n := p & 16777215;
        held := CASE p >> 24
           WHEN 2 THEN EXISTS (SELECT FROM lua.held_interactions(p_tenant, n, n) AS h WHERE h.held_under IS NULL)
           WHEN 3 THEN EXISTS (SELECT FROM lua.held_invoices(p_tenant, n, n) AS h WHERE h.held_under IS NULL)
           WHEN 4 THEN EXISTS (SELECT FROM crm.interaction i WHERE i.tenant_id = p_tenant AND i.held_under = n)
           WHEN 5 THEN EXISTS (SELECT FROM crm.invoice i WHERE i.tenant_id = p_tenant AND i.held_under = n)
           ELSE EXISTS (SELECT FROM lua.hold h WHERE h.tenant_id = p_tenant AND h.released_at IS NULL) END;
        IF held THEN
            RAISE EXCEPTION 'held rows lie under the key of period %', p USING ERRCODE = 'check_violation';
        END IF;
    END LOOP;
    RETURN QUERY DELETE FROM vault.period d WHERE d.tenant_id = p_tenant AND d.period_id = ANY (p_periods)
    RETURNING d.period_id, d.slot_no;
END $$;
COMMENT ON FUNCTION vault.give_up_periods IS 'Gives up the keys of periods under which no held row lies any more; returns their slots';

-- As before, but for the periods of holds: those of invoices hang in the duty subtree, as the invoices do.
CREATE OR REPLACE FUNCTION vault.claimed() RETURNS TABLE (tenant_id bigint, key_no bigint, space smallint, slot_no bigint)
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = '' AS $$
    SELECT s.tenant_id, d.key_no, CASE WHEN s.key_class > 2 THEN 2 ELSE 1 END::smallint, s.slot_no
    FROM vault.slot s LEFT JOIN lua.tenant_directory d ON d.tenant_id = s.tenant_id
    UNION ALL
    SELECT p.tenant_id, d.key_no, CASE WHEN p.period_id >> 24 IN (3, 5) THEN 4 ELSE 3 END::smallint, p.slot_no
    FROM vault.period p LEFT JOIN lua.tenant_directory d ON d.tenant_id = p.tenant_id
$$;

DO $owners$
DECLARE
    f regprocedure;
BEGIN
    FOREACH f IN ARRAY ARRAY[
        'lua.place_hold(bigint, uuid, text, uuid, text, text[], date, date, text, text, text, timestamptz, uuid)',
        'lua.release_holds(bigint, uuid[], text, timestamptz, uuid)', 'lua.tenant_of_hold(uuid)',
        'crm.erase_rows(bigint, uuid[])', 'crm.held_due(bigint, timestamptz)', 'crm.purge_interactions(bigint, integer, integer, timestamptz)',
        'vault.give_up_slots(bigint, uuid[], smallint[])', 'vault.give_up_periods(bigint, bigint[])']::regprocedure[]
    LOOP
        EXECUTE format('ALTER FUNCTION %s OWNER TO lua_definer', f);
        EXECUTE format('REVOKE ALL ON FUNCTION %s FROM PUBLIC', f);
    END LOOP;
END
$owners$;
-- Who erases day by day neither places nor releases: holds are for the data protection officer and for responders.
GRANT EXECUTE ON FUNCTION
    lua.place_hold(bigint, uuid, text, uuid, text, text[], date, date, text, text, text, timestamptz, uuid),
    lua.release_holds(bigint, uuid[], text, timestamptz, uuid) TO lua_dpo, lua_responder;
GRANT EXECUTE ON FUNCTION lua.tenant_of_hold(uuid), crm.held_due(bigint, timestamptz)
    TO lua_admin, lua_operator, lua_responder, lua_auditor, lua_dpo;
GRANT EXECUTE ON FUNCTION crm.erase_rows(bigint, uuid[]), crm.purge_interactions(bigint, integer, integer, timestamptz),
    vault.give_up_slots(bigint, uuid[], smallint[]), vault.give_up_periods(bigint, bigint[]) TO lua_operator, lua_dpo;
GRANT EXECUTE ON FUNCTION vault.claim(bigint, smallint, bigint), vault.hold_periods(bigint, bigint[]) TO lua_dpo;
