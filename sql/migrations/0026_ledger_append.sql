-- One way into the ledger. The database writes an entry's body itself, out of the very values that searches go by, and puts
-- the entry into the queue: so nobody writes a body that says something else, and nobody says of another's entry that it
-- waits. What parsing each body as JSON held before is now true by construction, at a tenth of the time; the CHECK that
-- stays compares the body's fixed parts with the columns, byte by byte, whoever writes.
SET LOCAL ROLE lua_owner;
REVOKE INSERT ON ledger.entry, ledger.pending FROM lua_admin, lua_operator, lua_responder, lua_auditor, lua_dpo, lua_accounting, lua_app;
GRANT INSERT ON ledger.entry, ledger.pending TO lua_definer;
DROP POLICY append ON ledger.entry;
ALTER TABLE ledger.pending DROP CONSTRAINT pending_id_at_fkey;
-- In the order in which entries are listed: one index less to write.
ALTER TABLE ledger.entry DROP CONSTRAINT entry_pkey, ADD PRIMARY KEY (at, id);
DROP INDEX ledger.entry_at;
ALTER TABLE ledger.entry DROP CONSTRAINT entry_body;
-- RFC 8785 orders the fields: action, actor, address, at, detail, id, object, on_behalf, outcome, purpose, session, subject,
-- tenant, v. After detail there is no structure any more, and no detail holds what is looked for here (ledger.append).
ALTER TABLE ledger.entry ADD CONSTRAINT entry_body CHECK (
    position(convert_to('{"action":"' || action || '","actor":' || to_json(actor)::text || ',"address":', 'UTF8') IN body) = 1
    AND position(convert_to(',"id":"' || id::text || '","object":' || coalesce(to_json(object)::text, 'null') || ',"on_behalf":', 'UTF8') IN body) > 0
    AND position(convert_to(',"outcome":"' || outcome || '","purpose":', 'UTF8') IN body) > 0
    AND substring(body FROM length(body) - CASE WHEN subject IS NULL THEN 31 ELSE 65 END - length(tenant_id::text))
        = convert_to(',"subject":' || coalesce('"' || subject::text || '"', 'null') || ',"tenant":' || tenant_id::text || ',"v":1}', 'UTF8'));
RESET ROLE;

-- Appends entries and puts them into the queue. The ids (UUIDv7) tell the times; `p_details` are JSON objects in the
-- canonical form of RFC 8785, or null. The actor is session_user and the address the connection's, whatever anybody says.
CREATE FUNCTION ledger.append(p_ids uuid[], p_tenants bigint[], p_subjects uuid[], p_actions text[],
                              p_objects text[], p_outcomes text[], p_purposes text[], p_details text[],
                              p_on_behalf text, p_session text) RETURNS bigint
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $$
DECLARE
    actor text := session_user;
    before_at text := '","actor":' || to_json(session_user::text)::text || ',"address":'
        || coalesce(to_json(host(inet_client_addr()))::text, 'null') || ',"at":"';
    on_behalf text := ',"on_behalf":' || coalesce(to_json(p_on_behalf)::text, 'null') || ',"outcome":"';
    session text := ',"session":' || coalesce(to_json(p_session)::text, 'null') || ',"subject":';
    taken bigint;
BEGIN
    -- A detail is one JSON object, so it cannot close its place in the body and go on as other fields; it holds no NUL,
    -- which jsonb refuses, and nothing that looks like the fields around it.
    IF EXISTS (SELECT FROM unnest(p_details) AS d(said)
               WHERE json_typeof(d.said::json) <> 'object' OR position(',"on_behalf":' IN d.said) > 0
                  OR (position('","purpose":' IN d.said) > 0 AND d.said ~ ',"outcome":"[a-z]+","purpose":')
                  OR (position('\u' IN d.said) > 0 AND d.said::jsonb IS NULL)) THEN
        RAISE EXCEPTION 'a detail is no JSON object, or holds fields of the entry itself' USING ERRCODE = 'check_violation';
    END IF;
    INSERT INTO ledger.entry (id, at, actor, tenant_id, subject, touched, action, object, outcome, body)
    SELECT e.id, e.at, actor, e.tenant_id, e.subject,
           CASE WHEN e.action = 'read' THEN ARRAY(
               SELECT t.value::uuid FROM jsonb_array_elements_text(e.detail::jsonb -> 'references')
                   WITH ORDINALITY AS t(value, n) ORDER BY t.n) END,
           e.action, e.object, e.outcome,
           convert_to('{"action":"' || e.action || before_at
               || to_char(e.at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') || '","detail":' || coalesce(e.detail, 'null')
               || ',"id":"' || e.id::text || '","object":' || coalesce(to_json(e.object)::text, 'null') || on_behalf
               || e.outcome || '","purpose":' || coalesce(to_json(e.purpose)::text, 'null') || session
               || coalesce('"' || e.subject::text || '"', 'null') || ',"tenant":' || e.tenant_id::text || ',"v":1}', 'UTF8')
    FROM (SELECT w.*, timestamptz 'epoch' + ('x' || left(translate(w.id::text, '-', ''), 12))::bit(48)::bigint
                          * interval '1 millisecond' AS at
          FROM unnest(p_ids, p_tenants, p_subjects, p_actions, p_objects, p_outcomes, p_purposes, p_details)
               AS w(id, tenant_id, subject, action, object, outcome, purpose, detail) OFFSET 0) AS e;
    GET DIAGNOSTICS taken = ROW_COUNT;
    INSERT INTO ledger.pending (id, at)
    SELECT w.id, timestamptz 'epoch' + ('x' || left(translate(w.id::text, '-', ''), 12))::bit(48)::bigint * interval '1 millisecond'
    FROM unnest(p_ids) AS w(id);
    RETURN taken;
END $$;
COMMENT ON FUNCTION ledger.append IS 'Appends entries of session_user, and puts them into the queue for an index';

-- Gives the entries that wait the indexes p_size, p_size + 1, …, oldest id first, at most p_limit of them; returns their
-- RFC 6962 leaf hashes one after the other. Hashes, not bodies: an operator may integrate what others wrote but not read it.
CREATE FUNCTION ledger.number(p_size bigint, p_limit integer) RETURNS bytea
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $$
DECLARE
    known bigint := coalesce((SELECT max(index) + 1 FROM ledger.leaf), 0);
    hashes bytea;
BEGIN
    IF known <> p_size THEN
        RAISE EXCEPTION 'the log has % leaves, not %', known, p_size USING ERRCODE = 'serialization_failure';
    END IF;
    WITH next AS MATERIALIZED (
        SELECT p.id, p.at, sha256('\x00'::bytea || e.body) AS hash
        FROM ledger.pending p JOIN ledger.entry e ON e.id = p.id AND e.at = p.at
        ORDER BY p.id LIMIT p_limit
    ), gone AS (
        DELETE FROM ledger.pending p USING next WHERE p.id = next.id
    ), numbered AS (
        INSERT INTO ledger.leaf (index, id, at, hash)
        SELECT p_size + row_number() OVER (ORDER BY next.id) - 1, next.id, next.at, next.hash FROM next
        RETURNING index, hash
    )
    SELECT string_agg(numbered.hash, ''::bytea ORDER BY numbered.index) INTO hashes FROM numbered;
    RETURN hashes;
END $$;
COMMENT ON FUNCTION ledger.number IS 'Gives waiting entries their indexes; returns their leaf hashes in one string';

-- Keeps the note that was signed over the log as it stands, and the subtrees that are complete now. Refuses a note that
-- speaks of another origin, size or root; the signature on it, and the root, are for verifiers to check.
CREATE FUNCTION ledger.seal(p_size bigint, p_levels smallint[], p_indexes bigint[], p_subtrees bytea[],
                            p_root bytea, p_note text, p_signed_at timestamptz) RETURNS bigint
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $$
DECLARE
    known bigint := coalesce((SELECT max(index) + 1 FROM ledger.leaf), 0);
BEGIN
    IF known <> p_size THEN
        RAISE EXCEPTION 'the log has % leaves, not %', known, p_size USING ERRCODE = 'serialization_failure';
    END IF;
    IF NOT EXISTS (SELECT FROM ledger.origin o WHERE o.ended_at IS NULL AND starts_with(
                       p_note, concat_ws(E'\n', o.origin, p_size, encode(p_root, 'base64'), ''))) THEN
        RAISE EXCEPTION 'the note is not about the current origin, size and root' USING ERRCODE = 'check_violation';
    END IF;
    INSERT INTO ledger.subtree (level, index, hash)
    SELECT w.level, w.index, w.hash FROM unnest(p_levels, p_indexes, p_subtrees) AS w(level, index, hash)
    ON CONFLICT DO NOTHING;
    INSERT INTO ledger.checkpoint VALUES (p_size, p_root, p_note, p_signed_at);
    RETURN p_size;
END $$;
COMMENT ON FUNCTION ledger.seal IS 'Keeps subtrees and a signed checkpoint over all leaves';

DROP FUNCTION ledger.pending_entries(integer);
DROP FUNCTION ledger.extend(bigint, uuid[], timestamptz[], bytea[], smallint[], bigint[], bytea[], bytea, text, timestamptz);

DO $owners$
DECLARE
    f regprocedure;
BEGIN
    FOREACH f IN ARRAY ARRAY[
        'ledger.append(uuid[], bigint[], uuid[], text[], text[], text[], text[], text[], text, text)',
        'ledger.number(bigint, integer)', 'ledger.seal(bigint, smallint[], bigint[], bytea[], bytea, text, timestamptz)']::regprocedure[]
    LOOP
        EXECUTE format('ALTER FUNCTION %s OWNER TO lua_definer', f);
        EXECUTE format('REVOKE ALL ON FUNCTION %s FROM PUBLIC', f);
    END LOOP;
END
$owners$;
GRANT EXECUTE ON FUNCTION ledger.append(uuid[], bigint[], uuid[], text[], text[], text[], text[], text[], text, text)
    TO lua_admin, lua_operator, lua_responder, lua_auditor, lua_dpo, lua_accounting, lua_app;
GRANT EXECUTE ON FUNCTION ledger.number(bigint, integer), ledger.seal(bigint, smallint[], bigint[], bytea[], bytea, text, timestamptz)
    TO lua_admin, lua_operator, lua_dpo;
