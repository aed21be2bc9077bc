-- Schema ledger: who did and saw what (docs/reference/formats.md, 4).
-- Nothing here is ever updated; only `pending` is emptied, by the integrator.
SET LOCAL ROLE lua_owner;

CREATE TABLE ledger.entry (
    id        uuid NOT NULL,
    at        timestamptz NOT NULL,
    actor     text NOT NULL,
    tenant_id bigint NOT NULL CHECK (tenant_id >= 0),
    subject   uuid,
    touched   uuid[],
    action    text NOT NULL CHECK (action ~ '^[a-z][a-z-]*(\.[a-z][a-z-]*)*$'),
    object    text,
    outcome   text NOT NULL CHECK (outcome IN ('done', 'intent', 'failed', 'refused')),
    body      bytea NOT NULL CHECK (length(body) <= 65535),
    PRIMARY KEY (id, at),
    -- An id tells its own time (UUIDv7, milliseconds): so it is unique over all partitions.
    CONSTRAINT entry_time CHECK (
        extract(epoch FROM at) * 1000 = ('x' || left(translate(id::text, '-', ''), 12))::bit(48)::bigint),
    -- What searches go by is what the body says, else an entry could hide from them.
    CONSTRAINT entry_body CHECK (convert_from(body, 'UTF8')::jsonb @> jsonb_build_object(
        'id', id, 'at', to_char(at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'), 'actor', actor,
        'tenant', tenant_id, 'subject', subject, 'action', action, 'object', object, 'outcome', outcome)),
    CONSTRAINT entry_touched CHECK (
        CASE WHEN action = 'read'
             THEN to_jsonb(touched) IS NOT DISTINCT FROM convert_from(body, 'UTF8')::jsonb #> '{detail,references}'
                  AND touched IS NOT NULL
             ELSE touched IS NULL END)
) PARTITION BY RANGE (at);
COMMENT ON TABLE ledger.entry IS 'Entries: canonical JSON bytes and, beside them, what searches need';
COMMENT ON COLUMN ledger.entry.actor IS 'session_user of whoever wrote it, held by row level security';
COMMENT ON COLUMN ledger.entry.subject IS 'Random ledger reference of one person; the way to the person is sealed';
COMMENT ON COLUMN ledger.entry.touched IS 'Ledger references of everybody whose data a read opened';
COMMENT ON COLUMN ledger.entry.tenant_id IS '0: no tenant';
CREATE TABLE ledger.entry_other PARTITION OF ledger.entry DEFAULT;
CREATE INDEX entry_at ON ledger.entry (at DESC, id DESC);
CREATE INDEX entry_actor ON ledger.entry (actor, at DESC);
CREATE INDEX entry_tenant ON ledger.entry (tenant_id, at DESC);
CREATE INDEX entry_subject ON ledger.entry (subject, at DESC) WHERE subject IS NOT NULL;
CREATE INDEX entry_touched ON ledger.entry USING gin (touched) WHERE touched IS NOT NULL;

CREATE TABLE ledger.pending (
    id uuid PRIMARY KEY,
    at timestamptz NOT NULL,
    FOREIGN KEY (id, at) REFERENCES ledger.entry (id, at)
);
COMMENT ON TABLE ledger.pending IS 'Entries that no checkpoint covers yet';

CREATE TABLE ledger.leaf (
    index bigint PRIMARY KEY CHECK (index >= 0),
    id    uuid NOT NULL UNIQUE,
    at    timestamptz NOT NULL,
    hash  bytea NOT NULL CHECK (length(hash) = 32)
);
COMMENT ON TABLE ledger.leaf IS 'RFC 6962 leaf hashes in the order of the log';

CREATE TABLE ledger.subtree (
    level smallint NOT NULL CHECK (level > 0),
    index bigint NOT NULL CHECK (index >= 0),
    hash  bytea NOT NULL CHECK (length(hash) = 32),
    PRIMARY KEY (level, index)
);
COMMENT ON TABLE ledger.subtree IS 'Roots of full subtrees of 256^level leaves; they stay when leaves are pruned';

CREATE TABLE ledger.origin (
    origin     text PRIMARY KEY CHECK (origin ~ '^[^ +\n]+$'),
    vkey       text NOT NULL,
    created_at timestamptz NOT NULL,
    ended_at   timestamptz
);
COMMENT ON TABLE ledger.origin IS 'Names and verifier keys under which checkpoints were signed; one is current';
CREATE UNIQUE INDEX origin_current ON ledger.origin ((true)) WHERE ended_at IS NULL;

CREATE TABLE ledger.checkpoint (
    size      bigint PRIMARY KEY CHECK (size >= 0),
    root      bytea NOT NULL CHECK (length(root) = 32),
    note      text NOT NULL,
    signed_at timestamptz NOT NULL
);
COMMENT ON TABLE ledger.checkpoint IS 'Signed notes (C2SP tlog-checkpoint), newest last';

GRANT INSERT ON ledger.entry, ledger.pending TO lua_admin, lua_operator, lua_responder, lua_auditor, lua_dpo, lua_accounting, lua_app;
GRANT SELECT ON ledger.entry, ledger.pending, ledger.leaf, ledger.subtree, ledger.origin, ledger.checkpoint
    TO lua_admin, lua_operator, lua_responder, lua_auditor, lua_dpo;
GRANT SELECT ON ledger.entry TO lua_accounting;
GRANT INSERT ON ledger.leaf, ledger.subtree, ledger.checkpoint TO lua_definer;
GRANT SELECT ON ledger.entry, ledger.pending, ledger.leaf, ledger.subtree, ledger.origin, ledger.checkpoint TO lua_definer;
GRANT DELETE ON ledger.pending TO lua_definer;

ALTER TABLE ledger.entry ENABLE ROW LEVEL SECURITY;
ALTER TABLE ledger.entry FORCE ROW LEVEL SECURITY;
CREATE POLICY append ON ledger.entry FOR INSERT
    WITH CHECK (actor = session_user);  -- and entry_body holds the body to the column
CREATE POLICY everything ON ledger.entry FOR SELECT TO lua_admin, lua_responder, lua_auditor, lua_dpo USING (true);
CREATE POLICY own ON ledger.entry FOR SELECT TO lua_operator, lua_accounting USING (actor = session_user);
RESET ROLE;

-- Hands out what waits for an index: RFC 6962 leaf hashes, not bodies, since an operator may integrate what others
-- wrote but not read it. What already is a leaf does not come back, however often somebody says that it is pending.
CREATE FUNCTION ledger.pending_entries(p_limit integer)
    RETURNS TABLE (id uuid, at timestamptz, hash bytea)
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = '' AS $$
    SELECT p.id, p.at, sha256('\x00'::bytea || e.body)
    FROM ledger.pending p JOIN ledger.entry e ON e.id = p.id AND e.at = p.at
    WHERE NOT EXISTS (SELECT FROM ledger.leaf l WHERE l.id = p.id)
    ORDER BY p.id LIMIT p_limit
$$;
COMMENT ON FUNCTION ledger.pending_entries IS 'Ids, times and leaf hashes of entries without an index, oldest id first';

-- Appends leaves p_first, p_first + 1, … and keeps the note that was signed over the new size. Refuses gaps, repeats,
-- hashes that are not those of the entries, and a note that speaks of another origin, size or root; the signature on
-- it is for verifiers to check.
CREATE FUNCTION ledger.extend(p_first bigint, p_ids uuid[], p_ats timestamptz[], p_hashes bytea[],
                              p_levels smallint[], p_indexes bigint[], p_subtrees bytea[],
                              p_root bytea, p_note text, p_signed_at timestamptz) RETURNS bigint
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $$
DECLARE
    size bigint;
    taken bigint;
BEGIN
    SELECT coalesce(max(index) + 1, 0) INTO size FROM ledger.leaf;
    IF size <> p_first THEN
        RAISE EXCEPTION 'the log has % leaves, not %', size, p_first USING ERRCODE = 'serialization_failure';
    END IF;
    DELETE FROM ledger.pending p USING unnest(p_ids) AS w(id) WHERE p.id = w.id;
    GET DIAGNOSTICS taken = ROW_COUNT;
    IF taken <> cardinality(p_ids) THEN
        RAISE EXCEPTION 'only % of % entries were pending', taken, cardinality(p_ids) USING ERRCODE = 'serialization_failure';
    END IF;
    -- Whoever may append may also say of an old entry that it waits: that goes now, else no check would pass again.
    DELETE FROM ledger.pending p
    WHERE p.id <= p_ids[cardinality(p_ids)] AND EXISTS (SELECT FROM ledger.leaf l WHERE l.id = p.id);
    IF EXISTS (SELECT FROM unnest(p_ids, p_ats, p_hashes) AS w(id, at, hash)
               LEFT JOIN ledger.entry e ON e.id = w.id AND e.at = w.at
               WHERE sha256('\x00'::bytea || e.body) IS DISTINCT FROM w.hash) THEN
        RAISE EXCEPTION 'a leaf hash is not that of its entry' USING ERRCODE = 'check_violation';
    END IF;
    IF NOT EXISTS (SELECT FROM ledger.origin o WHERE o.ended_at IS NULL AND starts_with(
                       p_note, concat_ws(E'\n', o.origin, p_first + taken, encode(p_root, 'base64'), ''))) THEN
        RAISE EXCEPTION 'the note is not about the current origin, size and root' USING ERRCODE = 'check_violation';
    END IF;
    INSERT INTO ledger.leaf (index, id, at, hash)
    SELECT p_first + w.n - 1, w.id, w.at, w.hash FROM unnest(p_ids, p_ats, p_hashes) WITH ORDINALITY AS w(id, at, hash, n);
    INSERT INTO ledger.subtree (level, index, hash)
    SELECT w.level, w.index, w.hash FROM unnest(p_levels, p_indexes, p_subtrees) AS w(level, index, hash);
    INSERT INTO ledger.checkpoint VALUES (p_first + taken, p_root, p_note, p_signed_at);
    RETURN p_first + taken;
END $$;

ALTER FUNCTION ledger.pending_entries(integer) OWNER TO lua_definer;
ALTER FUNCTION ledger.extend(bigint, uuid[], timestamptz[], bytea[], smallint[], bigint[], bytea[], bytea, text, timestamptz)
    OWNER TO lua_definer;
REVOKE ALL ON ALL FUNCTIONS IN SCHEMA ledger FROM PUBLIC;
GRANT EXECUTE ON FUNCTION ledger.pending_entries(integer),
    ledger.extend(bigint, uuid[], timestamptz[], bytea[], smallint[], bigint[], bytea[], bytea, text, timestamptz)
    TO lua_admin, lua_operator, lua_dpo;
