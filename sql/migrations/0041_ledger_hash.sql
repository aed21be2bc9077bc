-- The leaf hash of an entry is worked out when it is appended, and waits with it. So numbering moves rows and reads no body
-- any more: a million of them are numbered in the time in which they are hashed and copied. What is done to a body while it
-- waits no longer fits its hash, and `ledger verify` says so.
SET LOCAL ROLE lua_owner;
ALTER TABLE ledger.pending ADD COLUMN hash bytea CHECK (length(hash) = 32);
COMMENT ON COLUMN ledger.pending.hash IS 'RFC 6962 leaf hash of the entry';
GRANT UPDATE (hash) ON ledger.pending TO lua_definer;
SET LOCAL ROLE lua_definer;
UPDATE ledger.pending p SET hash = sha256('\x00'::bytea || e.body) FROM ledger.entry e WHERE e.id = p.id AND e.at = p.at;
SET LOCAL ROLE lua_owner;
REVOKE UPDATE (hash) ON ledger.pending FROM lua_definer;
ALTER TABLE ledger.pending ALTER COLUMN hash SET NOT NULL;
RESET ROLE;

-- Appends entries and puts them into the queue, with the hashes that they will have as leaves; tells who waits for them
-- (0038). The ids (UUIDv7) tell the times; `p_details` are JSON objects in the canonical form of RFC 8785, or null. The actor
-- is session_user and the address the connection's, whatever anybody says.
CREATE OR REPLACE FUNCTION ledger.append(p_ids uuid[], p_tenants bigint[], p_subjects uuid[], p_actions text[],
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
    WITH written AS (
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
                   AS w(id, tenant_id, subject, action, object, outcome, purpose, detail) OFFSET 0) AS e
        RETURNING id, at, body
    )
    INSERT INTO ledger.pending (id, at, hash) SELECT w.id, w.at, sha256('\x00'::bytea || w.body) FROM written AS w;
    GET DIAGNOSTICS taken = ROW_COUNT;
    IF (SELECT s.last_value FROM lua.log_watched s) = 1 THEN
        PERFORM setval('lua.log_watched', 0), pg_notify('lua_log', '');
    END IF;
    RETURN taken;
END $$;

-- Gives the entries that wait the indexes p_size, p_size + 1, …, oldest id first, at most p_limit of them; returns their
-- RFC 6962 leaf hashes one after the other. By the index: of a long queue, to read all for each part would take far longer.
CREATE OR REPLACE FUNCTION ledger.number(p_size bigint, p_limit integer) RETURNS bytea
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' SET work_mem = '64MB' SET enable_seqscan = off AS $$
DECLARE
    known bigint := coalesce((SELECT max(index) + 1 FROM ledger.leaf), 0);
    hashes bytea;
BEGIN
    IF known <> p_size THEN
        RAISE EXCEPTION 'the log has % leaves, not %', known, p_size USING ERRCODE = 'serialization_failure';
    END IF;
    WITH taken AS (
        DELETE FROM ledger.pending p
        WHERE p.id <= coalesce((SELECT last.id FROM ledger.pending last ORDER BY last.id OFFSET p_limit - 1 LIMIT 1),
                               'ffffffff-ffff-ffff-ffff-ffffffffffff')
        RETURNING p.id, p.at, p.hash
    ), numbered AS (
        INSERT INTO ledger.leaf (index, id, at, hash)
        SELECT p_size + row_number() OVER (ORDER BY t.id) - 1, t.id, t.at, t.hash FROM taken t
        RETURNING index, hash
    )
    SELECT string_agg(n.hash, ''::bytea ORDER BY n.index) INTO hashes FROM numbered n;
    RETURN hashes;
END $$;
