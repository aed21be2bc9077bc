-- Where the root and the sealed tree are kept: no epoch is turned while one of these places is left out, since a holder
-- that is left out keeps the old root, and with it everything that the epoch dropped (docs/design/keys.md).
SET LOCAL ROLE lua_owner;

CREATE TABLE vault.place (
    place_id         uuid PRIMARY KEY,
    kind             text NOT NULL CHECK (kind IN ('holder', 'book')),
    name             text NOT NULL CHECK (name <> '' AND length(name) <= 4096),
    host             text NOT NULL CHECK (host <> '' AND length(host) <= 255),
    registered_at    timestamptz NOT NULL,
    registered_by    text NOT NULL,
    registered_epoch bigint NOT NULL CHECK (registered_epoch > 0),
    retired_at       timestamptz,
    retired_by       text,
    retired_epoch    bigint CHECK (retired_epoch >= registered_epoch),
    reason           text CHECK (reason <> '' AND length(reason) <= 200),
    root_left        boolean,
    CHECK (num_nulls(retired_at, retired_by, retired_epoch, reason) IN (0, 4)),
    CHECK ((root_left IS NULL) = (kind = 'book' OR retired_at IS NULL))
);
COMMENT ON TABLE vault.place IS 'Every holder of the root and every key book: an epoch is turned with all that are not retired';
COMMENT ON COLUMN vault.place.place_id IS 'Lies in the place itself, so that it is the same from every host';
COMMENT ON COLUMN vault.place.name IS 'As the profile called it that registered it';
COMMENT ON COLUMN vault.place.host IS 'The host that registered it: a path means something there';
COMMENT ON COLUMN vault.place.retired_epoch IS 'At which epoch the tree stood then: the last root that a holder can have';
COMMENT ON COLUMN vault.place.root_left IS 'Whether a holder that was retired kept its root; books never have one';
GRANT SELECT ON vault.place TO lua_admin, lua_operator, lua_responder, lua_auditor, lua_dpo;
GRANT SELECT, INSERT, UPDATE (retired_at, retired_by, retired_epoch, reason, root_left) ON vault.place TO lua_definer;

ALTER TABLE vault.fate ADD COLUMN place_id uuid REFERENCES vault.place;
COMMENT ON COLUMN vault.fate.place_id IS 'Which registered place the holder is; null: from before there was a register';
RESET ROLE;

CREATE FUNCTION vault.register_place(p_id uuid, p_kind text, p_name text, p_host text, p_at timestamptz) RETURNS bigint
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $$
DECLARE
    added bigint;
BEGIN
    PERFORM lua.require_time(p_at);
    INSERT INTO vault.place (place_id, kind, name, host, registered_at, registered_by, registered_epoch)
    SELECT p_id, p_kind, p_name, p_host, p_at, session_user, t.epoch FROM vault.tree t
    ON CONFLICT (place_id) DO NOTHING;
    GET DIAGNOSTICS added = ROW_COUNT;
    RETURN added;
END $$;
COMMENT ON FUNCTION vault.register_place IS 'Registers a holder or key book, unless it is; returns how many: 1 or 0';

-- The row of the tree is locked: two who retire at once would leave no place of a kind.
CREATE FUNCTION vault.retire_place(p_id uuid, p_reason text, p_root_left boolean, p_at timestamptz) RETURNS bigint
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $$
DECLARE
    now_at  bigint;
    touched bigint;
BEGIN
    PERFORM lua.require_time(p_at);
    SELECT t.epoch INTO now_at FROM vault.tree t FOR UPDATE;
    IF NOT EXISTS (SELECT FROM vault.place o JOIN vault.place p ON p.place_id = p_id AND p.kind = o.kind
                   WHERE o.retired_at IS NULL AND o.place_id <> p_id) THEN
        RAISE EXCEPTION 'place % is the last of its kind, or unknown', p_id USING ERRCODE = 'check_violation';
    END IF;
    UPDATE vault.place p SET retired_at = p_at, retired_by = session_user, retired_epoch = now_at, reason = p_reason,
        root_left = CASE WHEN p.kind = 'holder' THEN p_root_left END
    WHERE p.place_id = p_id AND p.retired_at IS NULL;
    GET DIAGNOSTICS touched = ROW_COUNT;
    RETURN touched;
END $$;
COMMENT ON FUNCTION vault.retire_place IS 'Ends a place, for ever: epochs are turned without it; returns how many: 1 or 0';

-- As before, and with every place that is registered. Whether they really take part nobody can see here: what is held is
-- that whoever turns an epoch knows of them all. Sets are compared as sets: an array is searched from its beginning.
DROP FUNCTION vault.turn_epoch(bigint, timestamptz, bytea[], integer[], bytea[]);
CREATE FUNCTION vault.turn_epoch(
    p_from bigint, p_at timestamptz, p_paths bytea[], p_versions integer[], p_blobs bytea[], p_places uuid[]
) RETURNS bigint LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $$
DECLARE
    rewritten bigint;
    left_out  text;
BEGIN
    IF EXISTS (SELECT FROM unnest(p_paths) AS w(path)
               LEFT JOIN unnest(p_paths) AS p(path) ON p.path = substring(w.path FROM 1 FOR length(w.path) - 1)
               WHERE length(w.path) > 0 AND p.path IS NULL) THEN
        RAISE EXCEPTION 'a node was rewritten without its parent' USING ERRCODE = 'invalid_parameter_value';
    END IF;
    SELECT o.kind || ' ' || o.name INTO left_out FROM vault.place o
    WHERE o.retired_at IS NULL AND o.place_id <> ALL (p_places) LIMIT 1;
    IF left_out IS NOT NULL THEN
        RAISE EXCEPTION 'key % takes no part', left_out USING ERRCODE = 'check_violation';
    END IF;
    UPDATE vault.tree SET epoch = p_from + 1, updated_at = p_at WHERE epoch = p_from;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'the tree is no longer at epoch %', p_from USING ERRCODE = 'serialization_failure';
    END IF;
    UPDATE vault.node n SET version = w.version + 1, blob = w.blob, change = nextval('vault.change')
    FROM unnest(p_paths, p_versions, p_blobs) AS w(path, version, blob)
    WHERE n.path = w.path AND n.version = w.version;
    GET DIAGNOSTICS rewritten = ROW_COUNT;
    IF rewritten <> cardinality(p_paths) OR rewritten = 0 THEN
        RAISE EXCEPTION 'only % of % nodes are still as they were read', rewritten, cardinality(p_paths)
            USING ERRCODE = 'serialization_failure';
    END IF;
    RETURN p_from + 1;
END $$;
COMMENT ON FUNCTION vault.turn_epoch IS 'Rewrites the nodes and moves the tree to the next epoch, with every registered place';

DO $owners$
DECLARE
    f regprocedure;
BEGIN
    FOREACH f IN ARRAY ARRAY['vault.register_place(uuid, text, text, text, timestamptz)',
        'vault.retire_place(uuid, text, boolean, timestamptz)',
        'vault.turn_epoch(bigint, timestamptz, bytea[], integer[], bytea[], uuid[])']::regprocedure[]
    LOOP
        EXECUTE format('ALTER FUNCTION %s OWNER TO lua_definer', f);
        EXECUTE format('REVOKE ALL ON FUNCTION %s FROM PUBLIC', f);
        EXECUTE format('GRANT EXECUTE ON FUNCTION %s TO lua_admin, lua_operator, lua_dpo', f);
    END LOOP;
END
$owners$;

-- Asked for by nobody as delivered: after a theft keys are turned at once.
INSERT INTO lua.approval_rule (action, approvals, from_subjects, roles) VALUES
    ('key.book.add', 0, 0, '{lua_dpo,lua_admin,outside}'),
    ('key.book.remove', 0, 0, '{lua_dpo,lua_admin,outside}'),
    ('key.book.retire', 0, 0, '{lua_dpo,lua_admin,outside}'),
    ('key.holder.add', 0, 0, '{lua_dpo,lua_admin,outside}'),
    ('key.holder.remove', 0, 0, '{lua_dpo,lua_admin,outside}'),
    ('key.holder.retire', 0, 0, '{lua_dpo,lua_admin,outside}'),
    ('key.rotate', 0, 0, '{lua_dpo,lua_admin,outside}');
