-- Pruning below a minimum index (C2SP tlog-tiles): entries and level-0 hashes below it go, the roots of full subtrees stay,
-- so entries at or above it stay provable and the log goes on. The minimum is signed by the log's own key and told by an
-- entry, so nobody raises it unseen.
SET LOCAL ROLE lua_owner;
CREATE TABLE ledger.minimum (
    index     bigint PRIMARY KEY CHECK (index > 0),
    note      text NOT NULL,
    pruned_at timestamptz NOT NULL
);
COMMENT ON TABLE ledger.minimum IS 'Signed notes about what was pruned: entries below the largest index are gone';
GRANT SELECT ON ledger.minimum TO lua_admin, lua_operator, lua_responder, lua_auditor, lua_dpo, lua_definer;
GRANT INSERT ON ledger.minimum TO lua_definer;
GRANT DELETE ON ledger.entry, ledger.leaf TO lua_definer;
DROP INDEX ledger.entry_own;
CREATE INDEX entry_own ON ledger.entry (at, id) WHERE action IN ('ledger.cosign', 'ledger.origin.fork', 'ledger.prune');
RESET ROLE;

-- Removes entries below p_minimum, and leaf hashes of the tiles that are wholly below it. The newest leaf always stays.
CREATE FUNCTION ledger.prune(p_minimum bigint, p_note text, p_at timestamptz) RETURNS bigint
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $$
DECLARE
    signed bigint := coalesce((SELECT max(size) FROM ledger.checkpoint), 0);
    gone bigint;
BEGIN
    PERFORM lua.require_time(p_at);
    IF p_minimum <= coalesce((SELECT max(m.index) FROM ledger.minimum m), 0) OR p_minimum >= signed THEN
        RAISE EXCEPTION 'the minimum index goes up, to less than the % entries that are signed', signed USING ERRCODE = 'check_violation';
    END IF;
    IF NOT EXISTS (SELECT FROM ledger.origin o WHERE o.ended_at IS NULL
                   AND starts_with(p_note, concat_ws(E'\n', o.origin, 'minimum ' || p_minimum, ''))) THEN
        RAISE EXCEPTION 'the note is not about the current origin and this minimum' USING ERRCODE = 'check_violation';
    END IF;
    DELETE FROM ledger.entry e USING ledger.leaf l WHERE l.index < p_minimum AND e.at = l.at AND e.id = l.id;
    GET DIAGNOSTICS gone = ROW_COUNT;
    DELETE FROM ledger.leaf WHERE index < (p_minimum >> 8) << 8;
    INSERT INTO ledger.minimum VALUES (p_minimum, p_note, p_at);
    RETURN gone;
END $$;
COMMENT ON FUNCTION ledger.prune IS 'Removes what lies below a signed minimum index; returns how many entries went';
ALTER FUNCTION ledger.prune(bigint, text, timestamptz) OWNER TO lua_definer;
REVOKE ALL ON FUNCTION ledger.prune(bigint, text, timestamptz) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION ledger.prune(bigint, text, timestamptz) TO lua_admin;
