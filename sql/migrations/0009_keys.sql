-- What became of old roots at each holder: some forget at once, others (a cloud KMS) at a time that they name.
SET LOCAL ROLE lua_owner;

CREATE TABLE vault.fate (
    epoch        bigint NOT NULL CHECK (epoch > 0),
    holder       text NOT NULL CHECK (holder <> ''),
    state        text NOT NULL CHECK (state IN ('destroyed', 'scheduled')),
    level        text CHECK (level IN ('clear', 'purge')),
    medium       text NOT NULL,
    scheduled_at timestamptz NOT NULL,
    effective_at timestamptz NOT NULL,
    PRIMARY KEY (epoch, holder)
);
COMMENT ON TABLE vault.fate IS 'What each holder answered when it was told to destroy the root of an epoch; written once';
COMMENT ON COLUMN vault.fate.level IS 'NIST SP 800-88 level that the holder can claim; null: none';
COMMENT ON COLUMN vault.fate.medium IS 'File system of the holder, or what its program says of itself';
COMMENT ON COLUMN vault.fate.effective_at IS 'From when on nobody can bring that root back';
GRANT SELECT ON vault.fate TO lua_admin, lua_operator, lua_responder, lua_auditor, lua_dpo;
GRANT INSERT ON vault.fate TO lua_admin, lua_operator, lua_dpo;
RESET ROLE;

-- Keys of one tenant that somebody without the root may use for a time: sealed to that person's own key.
SET LOCAL ROLE lua_owner;
CREATE TABLE vault.release (
    tenant_id   bigint NOT NULL,
    release_id  uuid NOT NULL,
    person      text NOT NULL CHECK (person <> ''),
    parts       text[] NOT NULL CHECK (cardinality(parts) BETWEEN 1 AND 2 AND parts <@ ARRAY['tenant', 'duty']),
    public_key  bytea NOT NULL CHECK (length(public_key) = 32),
    purpose     text NOT NULL CHECK (purpose <> '' AND length(purpose) <= 200),
    released_by text NOT NULL,
    created_at  timestamptz NOT NULL,
    expires_at  timestamptz NOT NULL CHECK (expires_at > created_at AND expires_at <= created_at + interval '31 days'),
    ended_at    timestamptz,
    ended_by    text,
    ended_epoch bigint,
    end_reason  text CHECK (end_reason IN ('revoked', 'expired', 'tenant ended')),
    PRIMARY KEY (tenant_id, release_id),
    CHECK ((ended_at IS NULL) = (ended_by IS NULL)),
    CHECK ((ended_at IS NULL) = (ended_epoch IS NULL)),
    CHECK ((ended_at IS NULL) = (end_reason IS NULL))
);
COMMENT ON TABLE vault.release IS 'Who was given keys of a tenant, until when, and the epoch that took them back';
COMMENT ON COLUMN vault.release.person IS 'The login that opens with them';
COMMENT ON COLUMN vault.release.parts IS 'tenant: classes main and special; duty: what a legal duty keeps';
COMMENT ON COLUMN vault.release.public_key IS 'X25519 (RFC 7748)';
COMMENT ON COLUMN vault.release.ended_epoch IS 'The epoch that gave those parts of the tree new keys; null: they can still be opened';
CREATE INDEX release_open ON vault.release (tenant_id, release_id) WHERE ended_at IS NULL;

CREATE TABLE vault.release_key (
    tenant_id  bigint NOT NULL,
    release_id uuid NOT NULL,
    path       bytea NOT NULL,
    version    integer NOT NULL CHECK (version > 0),
    sealed     bytea NOT NULL CHECK (length(sealed) = 93),
    PRIMARY KEY (tenant_id, release_id, path),
    FOREIGN KEY (tenant_id, release_id) REFERENCES vault.release (tenant_id, release_id)
);
COMMENT ON TABLE vault.release_key IS 'Node keys of today, sealed to the person; each epoch that changes one seals it anew';

DO $isolation$
DECLARE
    t regclass;
BEGIN
    FOREACH t IN ARRAY ARRAY['vault.release', 'vault.release_key']::regclass[]
    LOOP
        EXECUTE format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY', t);
        EXECUTE format('ALTER TABLE %s FORCE ROW LEVEL SECURITY', t);
        EXECUTE format($policy$CREATE POLICY tenant ON %s
            USING (tenant_id = nullif(current_setting('lua.tenant_id', true), '')::bigint
                   AND ((tenant_id < 1099511627776 AND current_user !~ '^lua_t[0-9]')
                        OR current_user = 'lua_t' || tenant_id))$policy$, t);
    END LOOP;
END
$isolation$;
-- Nobody releases in another's name.
CREATE POLICY own_name ON vault.release AS RESTRICTIVE FOR INSERT WITH CHECK (released_by = session_user);
GRANT SELECT ON vault.release, vault.release_key
    TO lua_admin, lua_operator, lua_responder, lua_auditor, lua_dpo, lua_accounting;
GRANT INSERT (tenant_id, release_id, person, parts, public_key, purpose, released_by, created_at, expires_at)
    ON vault.release TO lua_dpo, lua_admin;
GRANT INSERT ON vault.release_key TO lua_dpo, lua_admin;
GRANT SELECT, UPDATE (ended_at, ended_by, ended_epoch, end_reason) ON vault.release TO lua_definer;
GRANT SELECT, UPDATE (version, sealed), DELETE ON vault.release_key TO lua_definer;
GRANT SELECT, DELETE ON vault.node TO lua_definer;
RESET ROLE;

-- What whoever turns an epoch needs of all tenants at once. Public keys only; names nobody whose data are kept.
CREATE FUNCTION vault.open_releases()
    RETURNS TABLE (tenant_id bigint, release_id uuid, public_key bytea, expires_at timestamptz, path bytea)
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = '' AS $$
    SELECT r.tenant_id, r.release_id, r.public_key, r.expires_at, k.path
    FROM vault.release r JOIN vault.release_key k ON k.tenant_id = r.tenant_id AND k.release_id = r.release_id
    WHERE r.ended_at IS NULL
$$;

CREATE FUNCTION vault.releases() RETURNS SETOF vault.release
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = ''
    AS 'SELECT * FROM vault.release ORDER BY release_id';

CREATE FUNCTION vault.renew_releases(p_tenants bigint[], p_ids uuid[], p_paths bytea[], p_versions integer[], p_sealed bytea[])
    RETURNS bigint LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $$
DECLARE
    renewed bigint;
BEGIN
    UPDATE vault.release_key k SET version = w.version, sealed = w.sealed
    FROM unnest(p_tenants, p_ids, p_paths, p_versions, p_sealed) AS w(tenant_id, release_id, path, version, sealed)
    WHERE k.tenant_id = w.tenant_id AND k.release_id = w.release_id AND k.path = w.path AND k.version < w.version;
    GET DIAGNOSTICS renewed = ROW_COUNT;
    RETURN renewed;
END $$;

CREATE FUNCTION vault.end_releases(p_tenants bigint[], p_ids uuid[], p_reasons text[], p_epoch bigint, p_at timestamptz)
    RETURNS bigint LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $$
DECLARE
    ended bigint;
BEGIN
    UPDATE vault.release r SET ended_at = p_at, ended_by = session_user, ended_epoch = p_epoch, end_reason = w.reason
    FROM unnest(p_tenants, p_ids, p_reasons) AS w(tenant_id, release_id, reason)
    WHERE r.tenant_id = w.tenant_id AND r.release_id = w.release_id AND r.ended_at IS NULL;
    GET DIAGNOSTICS ended = ROW_COUNT;
    DELETE FROM vault.release_key k USING unnest(p_tenants, p_ids) AS w(tenant_id, release_id)
    WHERE k.tenant_id = w.tenant_id AND k.release_id = w.release_id;
    RETURN ended;
END $$;

-- Which number comes next, by the tenant's number in the tree: all from there on are unclaimed.
CREATE FUNCTION vault.numbers() RETURNS TABLE (key_no bigint, space smallint, next_no bigint)
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = '' AS $$
    SELECT d.key_no, c.space, c.next_no
    FROM vault.counter c JOIN lua.tenant_directory d ON d.tenant_id = c.tenant_id
$$;

-- Nodes below a dropped slot open nothing any more. That the slot is dropped (60 zero bytes) is looked up here.
CREATE FUNCTION vault.prune(p_paths bytea[]) RETURNS bigint
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $$
DECLARE
    base   bytea;
    gone   bigint;
    pruned bigint := 0;
BEGIN
    FOREACH base IN ARRAY p_paths LOOP
        IF length(base) = 0 OR NOT EXISTS (
            SELECT FROM vault.node p WHERE p.path = substring(base FROM 1 FOR length(base) - 1)
               AND substring(p.blob FROM 60 * get_byte(base, length(base) - 1) + 1 FOR 60) = decode(repeat('00', 60), 'hex'))
        THEN
            RAISE EXCEPTION 'the key of node % is not dropped', encode(base, 'hex') USING ERRCODE = 'check_violation';
        END IF;
        DELETE FROM vault.node n WHERE n.path >= base AND n.path < base || '\xff'::bytea;
        GET DIAGNOSTICS gone = ROW_COUNT;
        pruned := pruned + gone;
    END LOOP;
    RETURN pruned;
END $$;

-- What is released to whoever asks, at the epoch of one snapshot.
CREATE FUNCTION vault.my_release_keys(p_tenant bigint)
    RETURNS TABLE (epoch bigint, release_id uuid, path bytea, version integer, sealed bytea, expires_at timestamptz)
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = '' AS $$
    SELECT t.epoch, r.release_id, k.path, k.version, k.sealed, r.expires_at
    FROM vault.tree t, vault.release r
    JOIN vault.release_key k ON k.tenant_id = r.tenant_id AND k.release_id = r.release_id
    WHERE lua.require_tenant(p_tenant) AND r.tenant_id = p_tenant AND r.person = session_user AND r.ended_at IS NULL
    ORDER BY k.path, r.expires_at
$$;

DO $owners$
DECLARE
    f regprocedure;
BEGIN
    FOREACH f IN ARRAY ARRAY['vault.open_releases()', 'vault.releases()', 'vault.numbers()', 'vault.prune(bytea[])',
        'vault.renew_releases(bigint[], uuid[], bytea[], integer[], bytea[])',
        'vault.end_releases(bigint[], uuid[], text[], bigint, timestamptz)']::regprocedure[]
    LOOP
        EXECUTE format('ALTER FUNCTION %s OWNER TO lua_definer', f);
        EXECUTE format('REVOKE ALL ON FUNCTION %s FROM PUBLIC', f);
        EXECUTE format('GRANT EXECUTE ON FUNCTION %s TO lua_admin, lua_operator, lua_dpo', f);
    END LOOP;
END
$owners$;
GRANT EXECUTE ON FUNCTION vault.releases() TO lua_responder, lua_auditor;
ALTER FUNCTION vault.my_release_keys(bigint) OWNER TO lua_definer;
REVOKE ALL ON FUNCTION vault.my_release_keys(bigint) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION vault.my_release_keys(bigint) TO lua_operator, lua_responder, lua_auditor, lua_dpo, lua_accounting;
