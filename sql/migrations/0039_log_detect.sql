-- Detection: what is wrong with the logs themselves as rows that rules ask, and what runs of rules found.
SET LOCAL ROLE lua_owner;

-- The columns of lua.activity. A gap counts from when it came to be known, an entry that waits from an hour on. Of
-- indexes without an entry the newest 100,000 are looked at: `ledger verify` reads all.
CREATE VIEW lua.trouble WITH (security_invoker = true) AS
SELECT 'trouble'::text AS kind, md5(concat_ws('|', g.source_id, g.since, g.until))::uuid AS id, g.found_at AS at, NULL::text AS actor,
       NULL::text AS on_behalf, 0::bigint AS tenant_id, NULL::uuid AS subject, NULL::uuid[] AS touched, 'log.gap'::text AS action,
       NULL::text AS object, NULL::text AS purpose, 'failed'::text AS outcome, NULL::text AS address, NULL::text AS session,
       NULL::text AS application, NULL::text AS severity, NULL::text AS code, g.source_id, g.reason AS message, NULL::bytea AS body,
       lua.words(g.reason) AS words
FROM lua.log_gap g
UNION ALL
SELECT 'trouble', p.id, p.at + interval '1 hour', NULL, NULL, 0, NULL, NULL, 'ledger.late', 'ledger:entry', NULL, 'failed', NULL, NULL,
       NULL, NULL, NULL, NULL, 'no checkpoint covers it after an hour', NULL, lua.words('no checkpoint covers it after an hour')
FROM ledger.pending p WHERE NOT EXISTS (SELECT FROM ledger.leaf l WHERE l.id = p.id)
UNION ALL
SELECT 'trouble', e.id, e.at, e.actor, NULL, e.tenant_id, NULL, NULL, 'ledger.missing', 'ledger:index', NULL, 'failed', NULL, NULL,
       NULL, NULL, NULL, NULL, 'an entry without an index that waits for none', NULL, lua.words('an entry without an index that waits for none')
FROM ledger.entry e
WHERE NOT EXISTS (SELECT FROM ledger.leaf l WHERE l.id = e.id) AND NOT EXISTS (SELECT FROM ledger.pending p WHERE p.id = e.id)
UNION ALL
SELECT 'trouble', l.id, l.at, NULL, NULL, 0, NULL, NULL, 'ledger.missing', 'ledger:entry', NULL, 'failed', NULL, NULL,
       NULL, NULL, NULL, NULL, 'an index without its entry', NULL, lua.words('an index without its entry')
FROM ledger.leaf l
WHERE l.index >= greatest((SELECT max(x.index) - 100000 FROM ledger.leaf x), (SELECT coalesce(max(m.index), 0) FROM ledger.minimum m))
  AND NOT EXISTS (SELECT FROM ledger.entry e WHERE e.id = l.id AND e.at = l.at);
COMMENT ON VIEW lua.trouble IS 'What is wrong with ledger and sources, as rows like those of lua.activity';

CREATE TABLE lua.log_run (
    run_id   uuid PRIMARY KEY,
    since    timestamptz NOT NULL,
    until    timestamptz NOT NULL CHECK (until > since),
    at       timestamptz NOT NULL,
    run_by   text NOT NULL DEFAULT session_user,
    is_whole boolean NOT NULL,
    rules    jsonb NOT NULL CHECK (jsonb_typeof(rules) = 'object'),
    seen     jsonb NOT NULL CHECK (jsonb_typeof(seen) = 'object'),
    entry_id uuid NOT NULL
);
COMMENT ON TABLE lua.log_run IS 'Runs of detection rules';
COMMENT ON COLUMN lua.log_run.is_whole IS 'Whether every rule was asked: only from such a run does the next one go on';
COMMENT ON COLUMN lua.log_run.rules IS 'SHA-256 of each rule''s file by the id of the rule';
COMMENT ON COLUMN lua.log_run.seen IS 'Time of the newest line of each source then: what comes in later is older than the run and new to the next one';
CREATE INDEX log_run_at ON lua.log_run (at DESC);

CREATE TABLE lua.log_finding (
    finding_id uuid PRIMARY KEY,
    run_id     uuid NOT NULL REFERENCES lua.log_run,
    rule_id    uuid NOT NULL,
    rule       text NOT NULL CHECK (rule <> '' AND length(rule) <= 63),
    title      text NOT NULL CHECK (title <> '' AND length(title) <= 256),
    level      text NOT NULL CHECK (level IN ('informational', 'low', 'medium', 'high', 'critical')),
    digest     text CHECK (digest ~ '^[0-9a-f]{64}$'),
    grouped    json NOT NULL CHECK (json_typeof(grouped) = 'object')
);
COMMENT ON TABLE lua.log_finding IS 'What rules found: one row for what goes on as one, however many runs see it';
COMMENT ON COLUMN lua.log_finding.digest IS 'SHA-256 of the rule''s file as it was then; null for what luactl itself finds missing';
COMMENT ON COLUMN lua.log_finding.grouped IS 'The values that it is about, by field';
CREATE INDEX log_finding_rule ON lua.log_finding (rule_id);

CREATE TABLE lua.log_sighting (
    finding_id uuid NOT NULL REFERENCES lua.log_finding,
    run_id     uuid NOT NULL REFERENCES lua.log_run,
    first_at   timestamptz NOT NULL,
    last_at    timestamptz NOT NULL CHECK (last_at >= first_at),
    count      bigint NOT NULL CHECK (count > 0),
    events     bigint NOT NULL CHECK (events >= 0),
    evidence   uuid[] NOT NULL CHECK (cardinality(evidence) <= 100),
    PRIMARY KEY (finding_id, run_id)
);
COMMENT ON TABLE lua.log_sighting IS 'What a run saw of a finding, when it was new or had grown; the newest counts';
COMMENT ON COLUMN lua.log_sighting.count IS 'What the rule counts: events, or different values of a field';
COMMENT ON COLUMN lua.log_sighting.evidence IS 'Ids of entries and lines, oldest first, the first hundred';

CREATE TABLE lua.log_alert (
    alert_id   uuid PRIMARY KEY,
    finding_id uuid NOT NULL,
    run_id     uuid NOT NULL,
    channel    text NOT NULL CHECK (channel <> '' AND length(channel) <= 300),
    at         timestamptz NOT NULL,
    problem    text CHECK (problem <> '' AND length(problem) <= 500),
    FOREIGN KEY (finding_id, run_id) REFERENCES lua.log_sighting
);
COMMENT ON TABLE lua.log_alert IS 'Attempts to tell of a finding';
COMMENT ON COLUMN lua.log_alert.problem IS 'Why nobody was reached; null: told';
CREATE INDEX log_alert_finding ON lua.log_alert (finding_id, channel) WHERE problem IS NULL;

GRANT SELECT ON lua.trouble, lua.log_run, lua.log_finding, lua.log_sighting, lua.log_alert TO lua_admin, lua_responder, lua_auditor, lua_dpo;
-- Nobody changes or removes what was found.
GRANT INSERT (run_id, since, until, at, is_whole, rules, seen, entry_id) ON lua.log_run TO lua_admin, lua_responder, lua_dpo;
GRANT INSERT ON lua.log_finding, lua.log_sighting, lua.log_alert TO lua_admin, lua_responder, lua_dpo;
RESET ROLE;
