-- What searches of the log go by besides columns: addresses as numbers, words of what is in clear, saved queries.
SET LOCAL ROLE lua_owner;

-- An address as Postgres compares it; null for a host name, or what is no address at all.
CREATE FUNCTION lua.address(p_text text) RETURNS inet
    LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE SET search_path = '' AS $$
BEGIN
    RETURN p_text::inet;
EXCEPTION WHEN invalid_text_representation THEN
    RETURN NULL;
END $$;
COMMENT ON FUNCTION lua.address IS 'Text as an address, null when it is none';

-- Words of a text. Names and addresses fall apart at their dots, so that crm.contact is found by contact too; who asks
-- for the whole asks for its parts side by side.
CREATE FUNCTION lua.words(p_text text) RETURNS tsvector
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    AS $$SELECT to_tsvector('simple'::regconfig, translate(p_text, './@:_-', '      '))$$;
COMMENT ON FUNCTION lua.words IS 'Words of a text for searches';

-- What an entry says in clear. Sealed detail is left out: its ciphertext is no word. A body is UTF-8 whatever the
-- database's encoding is set to say, so this is immutable though convert_from is not declared so.
CREATE FUNCTION ledger.words(p_body bytea) RETURNS tsvector
    LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT lua.words(concat_ws(' ', b ->> 'action', b ->> 'object', b ->> 'purpose', b ->> 'on_behalf',
        CASE WHEN jsonb_typeof(b -> 'detail') = 'object'
             THEN ((b -> 'detail') - '{sealed,commitment,references}'::text[])::text END))
    FROM (SELECT convert_from(p_body, 'UTF8')::jsonb) AS x(b)
$$;
COMMENT ON FUNCTION ledger.words IS 'Words of an entry''s action, object, purpose, on_behalf and detail in clear';
CREATE INDEX entry_words ON ledger.entry USING gin (ledger.words(body));
DROP INDEX lua.log_line_words;
CREATE INDEX log_line_words ON lua.log_line USING gin (lua.words(message));

CREATE OR REPLACE VIEW lua.activity WITH (security_invoker = true) AS
SELECT 'ledger'::text AS kind, e.id, e.at, e.actor, convert_from(e.body, 'UTF8')::jsonb ->> 'on_behalf' AS on_behalf, e.tenant_id,
       e.subject, e.touched, e.action, e.object, convert_from(e.body, 'UTF8')::jsonb ->> 'purpose' AS purpose, e.outcome,
       convert_from(e.body, 'UTF8')::jsonb ->> 'address' AS address, convert_from(e.body, 'UTF8')::jsonb ->> 'session' AS session,
       NULL::text AS application, NULL::text AS severity, NULL::text AS code, NULL::uuid AS source_id, NULL::text AS message,
       e.body, ledger.words(e.body) AS words
FROM ledger.entry e
UNION ALL
SELECT 'line'::text, l.id, l.at, l.actor, l.on_behalf, l.tenant_id, l.subject, l.touched, l.action, l.object, l.purpose, l.outcome,
       l.address, l.session, l.application, l.severity, l.code, l.source_id, l.message, NULL::bytea,
       lua.words(l.message)
FROM lua.log_line l;

CREATE TABLE lua.log_query (
    name       text PRIMARY KEY CHECK (name ~ '^[a-z][a-z0-9]*(-[a-z0-9]+)*$' AND length(name) <= 63),
    query      text NOT NULL CHECK (query <> '' AND length(query) <= 4000),
    about      text NOT NULL CHECK (length(about) <= 200),
    saved_by   text NOT NULL,
    saved_at   timestamptz NOT NULL
);
COMMENT ON TABLE lua.log_query IS 'Saved queries of the log; of everybody, so that a team asks the same';
ALTER TABLE lua.log_query ENABLE ROW LEVEL SECURITY;
ALTER TABLE lua.log_query FORCE ROW LEVEL SECURITY;
CREATE POLICY everything ON lua.log_query FOR SELECT USING (true);
CREATE POLICY own ON lua.log_query USING (saved_by = session_user);

GRANT SELECT ON lua.log_query TO lua_admin, lua_operator, lua_responder, lua_auditor, lua_dpo, lua_accounting;
GRANT INSERT, DELETE ON lua.log_query TO lua_admin, lua_operator, lua_responder, lua_auditor, lua_dpo, lua_accounting;
REVOKE ALL ON FUNCTION lua.address(text), lua.words(text), ledger.words(bytea) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION lua.address(text) TO lua_admin, lua_operator, lua_responder, lua_auditor, lua_dpo, lua_accounting;
GRANT EXECUTE ON FUNCTION lua.words(text), ledger.words(bytea) TO lua_admin, lua_operator, lua_responder, lua_auditor, lua_dpo, lua_accounting,
    lua_app, lua_definer;
RESET ROLE;
