-- As before; but a batch can be numbered part by part, so that the server numbers one while its caller hashes another. A further
-- part (null for the size) begins behind the last leaf: what the transaction took out of the queue is not passed over again. An
-- entry that turned up before that meanwhile waits for the next batch.
CREATE OR REPLACE FUNCTION ledger.number(p_size bigint, p_limit integer) RETURNS bytea
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' SET work_mem = '64MB' SET enable_seqscan = off AS $$
DECLARE
    known bigint := coalesce((SELECT max(index) + 1 FROM ledger.leaf), 0);
    behind uuid := '00000000-0000-0000-0000-000000000000';
    hashes bytea;
BEGIN
    IF p_size IS NULL THEN
        behind := (SELECT l.id FROM ledger.leaf l WHERE l.index = known - 1);
    ELSIF known <> p_size THEN
        RAISE EXCEPTION 'the log has % leaves, not %', known, p_size USING ERRCODE = 'serialization_failure';
    END IF;
    WITH taken AS (
        DELETE FROM ledger.pending p
        WHERE p.id > behind
          AND p.id <= coalesce((SELECT last.id FROM ledger.pending last WHERE last.id > behind ORDER BY last.id OFFSET p_limit - 1 LIMIT 1),
                               'ffffffff-ffff-ffff-ffff-ffffffffffff')
        RETURNING p.id, p.at, p.hash
    ), numbered AS (
        INSERT INTO ledger.leaf (index, id, at, hash)
        SELECT known + row_number() OVER (ORDER BY t.id) - 1, t.id, t.at, t.hash FROM taken t
        RETURNING index, hash
    )
    SELECT string_agg(n.hash, ''::bytea ORDER BY n.index) INTO hashes FROM numbered n;
    RETURN hashes;
END $$;
