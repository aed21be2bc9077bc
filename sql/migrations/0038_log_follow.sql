-- Whoever follows the log asks for what came since, not for what is dated since: each row says in which transaction it came,
-- so that what commits late, and lines that were written long ago, are neither missed nor shown twice. And they are woken.
SET LOCAL ROLE lua_owner;

-- Rows that are there already keep null: they came long ago. A default in the same statement would rewrite all of them.
ALTER TABLE ledger.entry ADD COLUMN arrived bigint;
ALTER TABLE ledger.entry ALTER COLUMN arrived SET DEFAULT pg_current_xact_id()::text::bigint;
COMMENT ON COLUMN ledger.entry.arrived IS 'Number of the transaction that brought it; null: it came before this was kept';
CREATE INDEX entry_arrived ON ledger.entry (arrived, id) WHERE arrived IS NOT NULL;
ALTER TABLE lua.log_line ADD COLUMN arrived bigint;
ALTER TABLE lua.log_line ALTER COLUMN arrived SET DEFAULT pg_current_xact_id()::text::bigint;
COMMENT ON COLUMN lua.log_line.arrived IS 'Number of the transaction that brought it; null: it came before this was kept';
CREATE INDEX log_line_arrived ON lua.log_line (arrived, id) WHERE arrived IS NOT NULL;

CREATE OR REPLACE VIEW lua.activity WITH (security_invoker = true) AS
SELECT 'ledger'::text AS kind, e.id, e.at, e.actor, convert_from(e.body, 'UTF8')::jsonb ->> 'on_behalf' AS on_behalf, e.tenant_id,
       e.subject, e.touched, e.action, e.object, convert_from(e.body, 'UTF8')::jsonb ->> 'purpose' AS purpose, e.outcome,
       convert_from(e.body, 'UTF8')::jsonb ->> 'address' AS address, convert_from(e.body, 'UTF8')::jsonb ->> 'session' AS session,
       NULL::text AS application, NULL::text AS severity, NULL::text AS code, NULL::uuid AS source_id, NULL::text AS message,
       e.body, ledger.words(e.body) AS words, e.arrived, e.at AS came_at
FROM ledger.entry e
UNION ALL
SELECT 'line'::text, l.id, l.at, l.actor, l.on_behalf, l.tenant_id, l.subject, l.touched, l.action, l.object, l.purpose, l.outcome,
       l.address, l.session, l.application, l.severity, l.code, l.source_id, l.message, NULL::bytea,
       lua.words(l.message), l.arrived, l.ingested_at
FROM lua.log_line l;
COMMENT ON COLUMN lua.activity.came_at IS 'When it came in: of an entry its own time, of a line that of its reading';

-- NOTIFY in every append would let only one transaction commit at a time (it locks the whole database until COMMIT is on
-- disk: half the throughput with eight clients). So an append tells only when somebody waits, and takes the flag down: one
-- NOTIFY for each time that somebody began to wait. A sequence, because it is read and set outside of transactions.
CREATE SEQUENCE lua.log_watched AS bigint MINVALUE 0 MAXVALUE 1 START 0;
COMMENT ON SEQUENCE lua.log_watched IS '1: somebody who follows the log waits to be told of the next entry';
GRANT SELECT, UPDATE ON SEQUENCE lua.log_watched TO lua_definer;
RESET ROLE;

CREATE FUNCTION lua.watch_log() RETURNS boolean
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $$
BEGIN
    IF (SELECT s.last_value FROM lua.log_watched s) = 1 THEN
        RETURN false;
    END IF;
    PERFORM setval('lua.log_watched', 1);
    RETURN true;
END $$;
COMMENT ON FUNCTION lua.watch_log IS 'Asks for one NOTIFY lua_log at the next entry; whether nobody had asked since the last one';

-- As before, and the last lines: whoever waits is told.
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
    IF (SELECT s.last_value FROM lua.log_watched s) = 1 THEN
        PERFORM setval('lua.log_watched', 0), pg_notify('lua_log', '');
    END IF;
    RETURN taken;
END $$;

ALTER FUNCTION lua.watch_log() OWNER TO lua_definer;
REVOKE ALL ON FUNCTION lua.watch_log() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION lua.watch_log() TO lua_admin, lua_operator, lua_responder, lua_auditor, lua_dpo, lua_accounting;
