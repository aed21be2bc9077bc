-- Lines of servers and services beside the ledger, and both as one list (docs/design/log.md).
SET LOCAL ROLE lua_owner;

CREATE TABLE lua.log_source (
    source_id    uuid PRIMARY KEY,
    name         text NOT NULL UNIQUE CHECK (name ~ '^[a-z][a-z0-9]*([._-][a-z0-9]+)*$' AND length(name) <= 63),
    format       text NOT NULL CHECK (format IN ('csvlog', 'jsonlog', 'stderr', 'jsonl', 'journald')),
    path         text NOT NULL CHECK (path <> '' AND length(path) <= 4096),
    host         text NOT NULL CHECK (host <> '' AND length(host) <= 255),
    time_zone    text NOT NULL DEFAULT 'UTC' CHECK (time_zone <> ''),
    line_prefix  text,
    clock_offset interval NOT NULL DEFAULT '0',
    created_at   timestamptz NOT NULL,
    created_by   text NOT NULL,
    ended_at     timestamptz CHECK (ended_at >= created_at),
    CHECK ((format = 'stderr') = (line_prefix IS NOT NULL))
);
COMMENT ON TABLE lua.log_source IS 'Where log lines come from';
COMMENT ON COLUMN lua.log_source.path IS 'A file or a pattern of files on that host';
COMMENT ON COLUMN lua.log_source.time_zone IS 'In which its times are written where they do not say so themselves';
COMMENT ON COLUMN lua.log_source.line_prefix IS 'The server''s log_line_prefix';
COMMENT ON COLUMN lua.log_source.clock_offset IS 'What its clock was ahead of UTC when last compared; times are kept as written, never corrected';

CREATE TABLE lua.log_file (
    source_id  uuid NOT NULL REFERENCES lua.log_source,
    file_no    bigint NOT NULL CHECK (file_no > 0),
    identity   text NOT NULL CHECK (identity <> ''),
    name       text NOT NULL CHECK (name <> ''),
    read_to    bigint NOT NULL DEFAULT 0 CHECK (read_to >= 0),
    lines      bigint NOT NULL DEFAULT 0 CHECK (lines >= 0),
    unreadable bigint NOT NULL DEFAULT 0 CHECK (unreadable BETWEEN 0 AND lines),
    first_at   timestamptz,
    last_at    timestamptz,
    updated_at timestamptz NOT NULL,
    PRIMARY KEY (source_id, file_no),
    UNIQUE (source_id, identity)
);
COMMENT ON TABLE lua.log_file IS 'Each file of a source and how far it was read';
COMMENT ON COLUMN lua.log_file.identity IS 'What stays when a file is renamed: device, inode and birth, or what its first bytes say';
COMMENT ON COLUMN lua.log_file.read_to IS 'Bytes whose lines are in lua.log_line; moves in the transaction that brought them';
COMMENT ON COLUMN lua.log_file.unreadable IS 'Lines that no format explains: kept, with action `line` and code `unreadable`';

CREATE TABLE lua.log_gap (
    source_id uuid NOT NULL REFERENCES lua.log_source,
    since     timestamptz NOT NULL,
    until     timestamptz NOT NULL CHECK (until >= since),
    reason    text NOT NULL CHECK (reason <> '' AND length(reason) <= 200),
    found_at  timestamptz NOT NULL,
    PRIMARY KEY (source_id, since, until)
);
COMMENT ON TABLE lua.log_gap IS 'Spans in which a source may have said what never came in';

CREATE TABLE lua.log_line (
    id          uuid NOT NULL,
    at          timestamptz NOT NULL,
    source_id   uuid NOT NULL REFERENCES lua.log_source,
    file_no     bigint NOT NULL,
    place       bigint NOT NULL CHECK (place >= 0),
    actor       text,
    on_behalf   text,
    tenant_id   bigint NOT NULL CHECK (tenant_id >= 0),
    subject     uuid,
    touched     uuid[],
    action      text NOT NULL CHECK (action ~ '^[a-z][a-z-]*(\.[a-z][a-z-]*)*$'),
    object      text,
    purpose     text,
    outcome     text NOT NULL CHECK (outcome IN ('done', 'failed', 'refused')),
    address     text,
    session     text,
    application text,
    severity    text NOT NULL,
    code        text,
    message     text NOT NULL,
    raw         bytea,
    ingested_at timestamptz NOT NULL,
    PRIMARY KEY (id, at),
    -- An id tells its own time (milliseconds), as in the ledger: so it is unique over all partitions.
    CONSTRAINT line_time CHECK (
        floor(extract(epoch FROM at) * 1000) = ('x' || left(translate(id::text, '-', ''), 12))::bit(48)::bigint)
) PARTITION BY RANGE (at);
COMMENT ON TABLE lua.log_line IS 'Lines of servers and services, normalised; what a person typed is masked in message and sealed in raw';
COMMENT ON COLUMN lua.log_line.at IS 'When its source says it happened; its clock may be off by lua.log_source.clock_offset';
COMMENT ON COLUMN lua.log_line.place IS 'Byte offset in its file';
COMMENT ON COLUMN lua.log_line.subject IS 'Ledger reference, where the line carries one';
COMMENT ON COLUMN lua.log_line.code IS 'SQLSTATE; unreadable for what no format explains';
CREATE TABLE lua.log_line_other PARTITION OF lua.log_line DEFAULT;
CREATE INDEX log_line_at ON lua.log_line (at DESC, id DESC);
CREATE INDEX log_line_actor ON lua.log_line (actor, at DESC, id DESC);
CREATE INDEX log_line_action ON lua.log_line (action, at DESC, id DESC);
CREATE INDEX log_line_address ON lua.log_line (address, at DESC, id DESC) WHERE address IS NOT NULL;
CREATE INDEX log_line_session ON lua.log_line (session, at DESC, id DESC) WHERE session IS NOT NULL;
CREATE INDEX log_line_tenant ON lua.log_line (tenant_id, at DESC, id DESC) WHERE tenant_id > 0;
CREATE INDEX log_line_words ON lua.log_line USING gin (to_tsvector('simple'::regconfig, message));

ALTER TABLE lua.log_line ENABLE ROW LEVEL SECURITY;
ALTER TABLE lua.log_line FORCE ROW LEVEL SECURITY;
-- Without a policy nobody reads a partition past its parent.
ALTER TABLE lua.log_line_other ENABLE ROW LEVEL SECURITY;
ALTER TABLE lua.log_line_other FORCE ROW LEVEL SECURITY;
CREATE POLICY append ON lua.log_line FOR INSERT TO lua_admin, lua_operator WITH CHECK (true);
CREATE POLICY everything ON lua.log_line FOR SELECT TO lua_admin, lua_responder, lua_auditor, lua_dpo USING (true);
CREATE POLICY own ON lua.log_line FOR SELECT TO lua_operator, lua_accounting USING (actor = session_user);

-- UNION ALL, and the same types on both sides: so that both indexes are merged and a page reads a page.
CREATE VIEW lua.activity WITH (security_invoker = true) AS
SELECT 'ledger'::text AS kind, e.id, e.at, e.actor, convert_from(e.body, 'UTF8')::jsonb ->> 'on_behalf' AS on_behalf, e.tenant_id,
       e.subject, e.touched, e.action, e.object, convert_from(e.body, 'UTF8')::jsonb ->> 'purpose' AS purpose, e.outcome,
       convert_from(e.body, 'UTF8')::jsonb ->> 'address' AS address, convert_from(e.body, 'UTF8')::jsonb ->> 'session' AS session,
       NULL::text AS application, NULL::text AS severity, NULL::text AS code, NULL::uuid AS source_id, NULL::text AS message,
       e.body
FROM ledger.entry e
UNION ALL
SELECT 'line'::text, l.id, l.at, l.actor, l.on_behalf, l.tenant_id, l.subject, l.touched, l.action, l.object, l.purpose, l.outcome,
       l.address, l.session, l.application, l.severity, l.code, l.source_id, l.message, NULL::bytea
FROM lua.log_line l;
COMMENT ON VIEW lua.activity IS 'Ledger entries and log lines as one list, with the rights of whoever asks';

GRANT SELECT ON lua.log_source, lua.log_file, lua.log_gap TO lua_admin, lua_operator, lua_responder, lua_auditor, lua_dpo, lua_accounting;
GRANT INSERT ON lua.log_source TO lua_admin;
GRANT UPDATE (clock_offset, ended_at) ON lua.log_source TO lua_admin;
GRANT INSERT ON lua.log_file, lua.log_gap, lua.log_line TO lua_admin, lua_operator;
GRANT UPDATE (name, read_to, lines, unreadable, first_at, last_at, updated_at) ON lua.log_file TO lua_admin, lua_operator;
GRANT SELECT ON lua.log_line, lua.activity TO lua_admin, lua_operator, lua_responder, lua_auditor, lua_dpo, lua_accounting;
RESET ROLE;
