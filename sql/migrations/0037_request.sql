-- Requests of data subjects (Art. 12 and 15–22 GDPR), with the clock that each of them starts.
-- The tenant is the controller and answers; Lua CRM keeps the register for it, and carries out what it can.
SET LOCAL ROLE lua_owner;

CREATE TABLE lua.request (
    tenant_id        bigint NOT NULL REFERENCES lua.tenant,
    request_id       uuid NOT NULL,
    state            text NOT NULL CHECK (state IN ('open', 'extended', 'answered', 'refused', 'withdrawn')),
    request_right    text NOT NULL CHECK (request_right IN ('access', 'rectification', 'erasure', 'restriction', 'portability', 'objection')),
    reference        text NOT NULL CHECK (reference <> '' AND length(reference) <= 200),
    channel          text NOT NULL CHECK (channel IN ('letter', 'email', 'phone', 'form', 'visit', 'other')),
    received_by      text NOT NULL CHECK (received_by IN ('tenant', 'processor')),
    received_at      timestamptz NOT NULL,
    handed_on_at     timestamptz,
    due_on           date NOT NULL,
    subject_id       uuid,
    personal         bytea,
    noted            boolean NOT NULL DEFAULT false,
    identified_how   text CHECK (identified_how <> '' AND length(identified_how) <= 200),
    identified_at    timestamptz,
    identified_by    text,
    extended_on      date,
    extension_reason text CHECK (extension_reason <> '' AND length(extension_reason) <= 200),
    told_at          timestamptz,
    extended_by      text,
    closed_at        timestamptz,
    closed_by        text,
    outcome          text CHECK (outcome <> '' AND length(outcome) <= 200),
    erasure_id       uuid,
    recorded_by      text NOT NULL,
    recorded_at      timestamptz NOT NULL,
    entry_id         uuid NOT NULL,
    PRIMARY KEY (tenant_id, request_id),
    UNIQUE (tenant_id, reference, request_right),
    FOREIGN KEY (tenant_id, subject_id) REFERENCES crm.subject (tenant_id, subject_id),
    FOREIGN KEY (tenant_id, erasure_id) REFERENCES lua.erasure (tenant_id, erasure_id),
    CHECK ((received_by = 'processor') = (handed_on_at IS NOT NULL)),
    CHECK (handed_on_at >= received_at),
    -- One month from the day of receipt, three when extended, each to the end of a working day: never less, and
    -- never more than weekends and holidays can add.
    CHECK (due_on - ((received_at AT TIME ZONE 'UTC')::date + interval '1 month')::date BETWEEN 0 AND 10),
    CHECK (extended_on - ((received_at AT TIME ZONE 'UTC')::date + interval '3 months')::date BETWEEN 0 AND 10),
    CHECK (extract(isodow FROM due_on) < 6 AND extract(isodow FROM extended_on) < 6),
    CHECK (num_nulls(extended_on, extension_reason, told_at, extended_by) IN (0, 4)),
    -- An extension that was not told within the first month is none.
    CHECK (told_at >= received_at AND told_at < (due_on + 1)::timestamp AT TIME ZONE 'UTC'),
    CHECK (num_nulls(identified_how, identified_at, identified_by) IN (0, 3)),
    CHECK (identified_at IS NOT NULL OR subject_id IS NULL),
    CHECK (personal IS NULL OR subject_id IS NOT NULL),
    CHECK (noted = (personal IS NOT NULL)),
    CHECK (erasure_id IS NULL OR request_right = 'erasure'),
    CHECK (CASE WHEN state IN ('open', 'extended') THEN num_nonnulls(closed_at, closed_by, outcome) = 0
                ELSE num_nulls(closed_at, closed_by, outcome) = 0 END),
    CHECK (state NOT IN ('open', 'extended') OR (state = 'extended') = (extended_on IS NOT NULL)),
    CHECK (closed_at >= received_at)
);
COMMENT ON TABLE lua.request IS 'Requests of data subjects: what was asked, by when it is to be answered, and what became of it';
COMMENT ON COLUMN lua.request.state IS 'open → extended (once), and from either → answered, refused or withdrawn, for good';
COMMENT ON COLUMN lua.request.reference IS 'Where the request is found at the tenant; no personal data';
COMMENT ON COLUMN lua.request.received_by IS 'Who it reached; what reached Lua CRM was handed on to the tenant at handed_on_at';
COMMENT ON COLUMN lua.request.due_on IS 'Last day of the first month; the day counts in UTC, to its end';
COMMENT ON COLUMN lua.request.subject_id IS 'Whose request it is, once identified; cut when the person is erased and the request is closed';
COMMENT ON COLUMN lua.request.personal IS 'Sealed under class main, period 0 of the contact class: a note about the request; goes with the person';
COMMENT ON COLUMN lua.request.noted IS 'Whether there is a note, for those who may not read it';
COMMENT ON COLUMN lua.request.identified_how IS 'How it was made sure who asks (Art. 12(6)); no personal data';
COMMENT ON COLUMN lua.request.told_at IS 'When the person was told of the extension and its reason (Art. 12(3))';
COMMENT ON COLUMN lua.request.outcome IS 'Where the answer is found, or the ground of the refusal (Art. 12(4))';
COMMENT ON COLUMN lua.request.erasure_id IS 'The erasure that carries it out: from its intent on nobody else changes the request';
CREATE INDEX request_open ON lua.request (tenant_id, due_on) WHERE closed_at IS NULL;
CREATE INDEX request_subject ON lua.request (tenant_id, subject_id) WHERE subject_id IS NOT NULL;
-- An erasure answers one request.
CREATE UNIQUE INDEX request_erasure ON lua.request (tenant_id, erasure_id) WHERE erasure_id IS NOT NULL;
SELECT lua.imitate('lua.tenant', 'lua.request');

GRANT SELECT ON lua.request TO lua_operator, lua_dpo;
GRANT SELECT (tenant_id, request_id, state, request_right, reference, channel, received_by, received_at, handed_on_at, due_on,
              subject_id, noted, identified_how, identified_at, identified_by, extended_on, extension_reason, told_at, extended_by,
              closed_at, closed_by, outcome, erasure_id, recorded_by, recorded_at, entry_id)
    ON lua.request TO lua_admin, lua_responder, lua_auditor;
-- Whoever gives a person a new key seals this anew with the rest; all else goes through the functions below.
GRANT UPDATE (personal) ON lua.request TO lua_operator, lua_dpo;
GRANT SELECT, INSERT, DELETE, UPDATE (state, subject_id, personal, noted, identified_how, identified_at, identified_by, extended_on,
              extension_reason, told_at, extended_by, closed_at, closed_by, outcome, erasure_id) ON lua.request TO lua_definer;
INSERT INTO lua.sealed_since (table_name, born_sealed, since) VALUES ('lua.request', true, now());

-- What is closed stays closed, and what an erasure has begun to carry out changes by its outcome alone.
CREATE FUNCTION lua.require_open_request(p_tenant bigint, p_request uuid) RETURNS boolean
    LANGUAGE plpgsql SET search_path = '' AS $$
DECLARE
    found lua.request;
BEGIN
    SELECT * INTO found FROM lua.request r WHERE r.tenant_id = p_tenant AND r.request_id = p_request FOR NO KEY UPDATE;
    IF found.request_id IS NULL OR found.closed_at IS NOT NULL THEN
        RAISE EXCEPTION 'request % is not open', p_request USING ERRCODE = 'object_not_in_prerequisite_state';
    ELSIF found.erasure_id IS NOT NULL THEN
        RAISE EXCEPTION 'erasure % is carrying out request %', found.erasure_id, p_request
            USING ERRCODE = 'object_not_in_prerequisite_state';
    END IF;
    RETURN true;
END $$;
COMMENT ON FUNCTION lua.require_open_request IS 'True, or an error; locks the request until the transaction ends';
REVOKE ALL ON FUNCTION lua.require_open_request(bigint, uuid) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION lua.require_open_request(bigint, uuid) TO lua_definer;
RESET ROLE;

CREATE FUNCTION lua.add_request(
    p_tenant bigint, p_request uuid, p_right text, p_reference text, p_channel text, p_received_by text, p_received timestamptz,
    p_handed_on timestamptz, p_due date, p_at timestamptz, p_entry uuid
) RETURNS uuid LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $$
BEGIN
    PERFORM lua.require_tenant(p_tenant), lua.require_time(p_at), lua.require_time(p_received);
    IF EXISTS (SELECT FROM lua.tenant t WHERE t.tenant_id = p_tenant AND t.status = 'terminated') THEN
        RAISE EXCEPTION 'tenant % has ended', p_tenant USING ERRCODE = 'object_not_in_prerequisite_state';
    END IF;
    INSERT INTO lua.request (tenant_id, request_id, state, request_right, reference, channel, received_by, received_at,
                             handed_on_at, due_on, recorded_by, recorded_at, entry_id)
    VALUES (p_tenant, p_request, 'open', p_right, p_reference, p_channel, p_received_by, p_received, p_handed_on, p_due,
            session_user, p_at, p_entry);
    RETURN p_request;
END $$;
COMMENT ON FUNCTION lua.add_request IS 'Records a request in the name of the login';

CREATE FUNCTION lua.identify_request(
    p_tenant bigint, p_request uuid, p_subject uuid, p_how text, p_identified timestamptz, p_personal bytea
) RETURNS boolean LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $$
BEGIN
    PERFORM lua.require_tenant(p_tenant), lua.require_time(p_identified);
    -- The person before the request, as erasures do, so that none waits for the other.
    PERFORM FROM crm.subject s WHERE s.tenant_id = p_tenant AND s.subject_id = p_subject AND s.status = 'active' FOR SHARE;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'subject % is not there, or erased', p_subject USING ERRCODE = 'object_not_in_prerequisite_state';
    END IF;
    PERFORM lua.require_open_request(p_tenant, p_request);
    UPDATE lua.request r SET subject_id = p_subject, identified_how = p_how, identified_at = p_identified,
        identified_by = session_user, personal = p_personal, noted = p_personal IS NOT NULL
    WHERE r.tenant_id = p_tenant AND r.request_id = p_request;
    RETURN true;
END $$;
COMMENT ON FUNCTION lua.identify_request IS 'Says whose request it is, and how that was made sure; again, as long as it is open';

CREATE FUNCTION lua.extend_request(p_tenant bigint, p_request uuid, p_until date, p_reason text, p_told timestamptz)
    RETURNS boolean LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $$
BEGIN
    PERFORM lua.require_tenant(p_tenant), lua.require_time(p_told), lua.require_open_request(p_tenant, p_request);
    UPDATE lua.request r SET state = 'extended', extended_on = p_until, extension_reason = p_reason, told_at = p_told,
        extended_by = session_user
    WHERE r.tenant_id = p_tenant AND r.request_id = p_request AND r.state = 'open';
    IF NOT FOUND THEN
        RAISE EXCEPTION 'request % was extended before', p_request USING ERRCODE = 'object_not_in_prerequisite_state';
    END IF;
    RETURN true;
END $$;
COMMENT ON FUNCTION lua.extend_request IS 'Extends the clock of a request, once';

-- Nothing in a closed request leads to a person who is erased.
CREATE FUNCTION lua.close_request(p_tenant bigint, p_request uuid, p_state text, p_outcome text, p_closed timestamptz)
    RETURNS boolean LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $$
BEGIN
    PERFORM lua.require_tenant(p_tenant), lua.require_time(p_closed), lua.require_open_request(p_tenant, p_request);
    UPDATE lua.request r SET state = p_state, outcome = p_outcome, closed_at = p_closed, closed_by = session_user,
        subject_id = (SELECT s.subject_id FROM crm.subject s
                      WHERE s.tenant_id = p_tenant AND s.subject_id = r.subject_id AND s.status = 'active')
    WHERE r.tenant_id = p_tenant AND r.request_id = p_request;
    RETURN true;
END $$;
COMMENT ON FUNCTION lua.close_request IS 'Closes a request as answered, refused or withdrawn, for good';

-- In the transaction of the intent: the person's rows are locked, and go with it.
CREATE FUNCTION lua.bind_request(p_tenant bigint, p_request uuid, p_erasure uuid) RETURNS boolean
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $$
BEGIN
    PERFORM lua.require_tenant(p_tenant), lua.require_open_request(p_tenant, p_request);
    UPDATE lua.request r SET erasure_id = p_erasure FROM lua.erasure e
    WHERE r.tenant_id = p_tenant AND r.request_id = p_request AND r.request_right = 'erasure'
      AND e.tenant_id = p_tenant AND e.erasure_id = p_erasure AND e.state = 'intent' AND e.scope = 'person'
      AND e.subject_id = r.subject_id;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'request % does not ask for the erasure of this person', p_request
            USING ERRCODE = 'object_not_in_prerequisite_state';
    END IF;
    RETURN true;
END $$;
COMMENT ON FUNCTION lua.bind_request IS 'From now on this erasure carries out the request';

CREATE FUNCTION lua.answer_request(p_tenant bigint, p_erasure uuid, p_outcome text, p_closed timestamptz) RETURNS uuid
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $$
DECLARE
    answered uuid;
BEGIN
    PERFORM lua.require_tenant(p_tenant), lua.require_time(p_closed);
    UPDATE lua.request r SET state = 'answered', outcome = p_outcome, closed_at = p_closed, closed_by = session_user,
        subject_id = NULL, personal = NULL, noted = false
    FROM lua.erasure e
    WHERE r.tenant_id = p_tenant AND r.erasure_id = p_erasure AND r.closed_at IS NULL
      AND e.tenant_id = p_tenant AND e.erasure_id = p_erasure AND e.state = 'done'
    RETURNING r.request_id INTO answered;
    RETURN answered;
END $$;
COMMENT ON FUNCTION lua.answer_request IS 'The erasure is done, and so the request that it carried out is answered; null: there is none';

CREATE FUNCTION lua.tenant_of_request(p_request uuid) RETURNS bigint
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = ''
    AS 'SELECT r.tenant_id FROM lua.request r WHERE r.request_id = p_request AND lua.require_tenant(r.tenant_id)';
COMMENT ON FUNCTION lua.tenant_of_request IS 'Which tenant a request belongs to; null when there is none of that id';

-- The clocks that run, over all contexts: each tenant's own row shows in its context alone. Of a dedicated tenant only for
-- whoever is admitted to it.
CREATE FUNCTION lua.open_requests() RETURNS TABLE (
    tenant text, request_id uuid, request_right text, state text, reference text, received_at timestamptz, due_on date,
    identified boolean, held boolean, closed_at timestamptz
) LANGUAGE sql STABLE SECURITY DEFINER SET search_path = '' AS $$
    SELECT d.slug, r.request_id, r.request_right, r.state, r.reference, r.received_at, coalesce(r.extended_on, r.due_on),
           r.subject_id IS NOT NULL,
           r.request_right = 'erasure' AND EXISTS (SELECT FROM lua.holds_on(r.tenant_id, ARRAY[r.subject_id])), r.closed_at
    FROM lua.request r JOIN lua.tenant_directory d ON d.tenant_id = r.tenant_id
    WHERE r.closed_at IS NULL
      AND (r.tenant_id < 1099511627776
           OR pg_has_role(session_user, to_regrole('lua_t' || r.tenant_id || '_staff'), 'MEMBER'))
    ORDER BY 7, 6, 2
$$;
COMMENT ON FUNCTION lua.open_requests IS 'Open requests of all tenants, the one that is due first before the others; names no person';

-- As before, and what requests say of these people goes with them.
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
    UPDATE lua.request r SET personal = NULL, noted = false, subject_id = CASE WHEN r.closed_at IS NULL THEN r.subject_id END
    WHERE r.tenant_id = p_tenant AND r.subject_id = ANY (p_subjects);
    RETURN marked;
END $$;

-- As before, with the requests: they are the tenant's.
CREATE OR REPLACE FUNCTION lua.processed_rows(p_tenant bigint) RETURNS TABLE (table_name text, row_count bigint)
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = '' AS $$
    SELECT lua.require_tenant(p_tenant);
    SELECT r.table_name, r.row_count FROM (
        SELECT 1, 'crm.invoice_line', (SELECT count(*) FROM crm.invoice_line d WHERE d.tenant_id = p_tenant)
        UNION ALL SELECT 2, 'crm.invoice', (SELECT count(*) FROM crm.invoice d WHERE d.tenant_id = p_tenant)
        UNION ALL SELECT 3, 'crm.interaction', (SELECT count(*) FROM crm.interaction d WHERE d.tenant_id = p_tenant)
        UNION ALL SELECT 4, 'crm.contact_key', (SELECT count(*) FROM crm.contact_key d WHERE d.tenant_id = p_tenant)
        UNION ALL SELECT 5, 'crm.contact', (SELECT count(*) FROM crm.contact d WHERE d.tenant_id = p_tenant)
        UNION ALL SELECT 6, 'lua.hold', (SELECT count(*) FROM lua.hold d WHERE d.tenant_id = p_tenant)
        UNION ALL SELECT 7, 'lua.request', (SELECT count(*) FROM lua.request d WHERE d.tenant_id = p_tenant)
        UNION ALL SELECT 8, 'crm.subject', (SELECT count(*) FROM crm.subject d WHERE d.tenant_id = p_tenant)
        UNION ALL SELECT 9, 'crm.role', (SELECT count(*) FROM crm.role d WHERE d.tenant_id = p_tenant)
        UNION ALL SELECT 10, 'lua.secret', (SELECT count(*) FROM lua.secret d WHERE d.tenant_id = p_tenant)
        UNION ALL SELECT 11, 'lua.token_directory', (SELECT count(*) FROM lua.token_directory d WHERE d.tenant_id = p_tenant)
        UNION ALL SELECT 12, 'lua.erasure_plan', (SELECT count(*) FROM lua.erasure_plan d WHERE d.tenant_id = p_tenant)
    ) AS r (no, table_name, row_count)
    ORDER BY r.no;
$$;

CREATE OR REPLACE FUNCTION lua.take_rows(p_tenant bigint) RETURNS TABLE (table_name text, taken bigint)
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
        WHEN 'lua.request' THEN DELETE FROM lua.request d WHERE d.tenant_id = p_tenant;
        WHEN 'crm.subject' THEN DELETE FROM crm.subject d WHERE d.tenant_id = p_tenant;
        WHEN 'crm.role' THEN DELETE FROM crm.role d WHERE d.tenant_id = p_tenant;
        WHEN 'lua.secret' THEN DELETE FROM lua.secret d WHERE d.tenant_id = p_tenant;
        WHEN 'lua.token_directory' THEN DELETE FROM lua.token_directory d WHERE d.tenant_id = p_tenant;
        WHEN 'lua.erasure_plan' THEN DELETE FROM lua.erasure_plan d WHERE d.tenant_id = p_tenant;
        ELSE RETURN;
    END CASE;
    GET DIAGNOSTICS taken = ROW_COUNT;
    RETURN NEXT;
END $$;

DO $owners$
DECLARE
    f regprocedure;
BEGIN
    FOREACH f IN ARRAY ARRAY[
        'lua.add_request(bigint, uuid, text, text, text, text, timestamptz, timestamptz, date, timestamptz, uuid)',
        'lua.identify_request(bigint, uuid, uuid, text, timestamptz, bytea)',
        'lua.extend_request(bigint, uuid, date, text, timestamptz)',
        'lua.close_request(bigint, uuid, text, text, timestamptz)', 'lua.bind_request(bigint, uuid, uuid)',
        'lua.answer_request(bigint, uuid, text, timestamptz)', 'lua.tenant_of_request(uuid)',
        'lua.open_requests()']::regprocedure[]
    LOOP
        EXECUTE format('ALTER FUNCTION %s OWNER TO lua_definer', f);
        EXECUTE format('REVOKE ALL ON FUNCTION %s FROM PUBLIC', f);
    END LOOP;
END
$owners$;
GRANT EXECUTE ON FUNCTION
    lua.add_request(bigint, uuid, text, text, text, text, timestamptz, timestamptz, date, timestamptz, uuid),
    lua.identify_request(bigint, uuid, uuid, text, timestamptz, bytea), lua.extend_request(bigint, uuid, date, text, timestamptz),
    lua.close_request(bigint, uuid, text, text, timestamptz), lua.bind_request(bigint, uuid, uuid),
    lua.answer_request(bigint, uuid, text, timestamptz) TO lua_operator, lua_dpo;
GRANT EXECUTE ON FUNCTION lua.tenant_of_request(uuid), lua.open_requests()
    TO lua_admin, lua_operator, lua_responder, lua_auditor, lua_dpo;
