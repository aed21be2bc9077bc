-- Secrets of tenants: credentials that the CRM must read back (sealed), and tokens of its API (a hash alone).
SET LOCAL ROLE lua_owner;

-- Unique over all tenants, and asked before anybody knows the tenant: hence outside row level security, and readable
-- through functions alone (a reference table on Citus).
CREATE TABLE lua.token_directory (
    tenant_id bigint NOT NULL,
    secret_id uuid NOT NULL,
    hash      bytea NOT NULL UNIQUE CHECK (length(hash) = 32),
    prefix    text NOT NULL UNIQUE CHECK (prefix ~ '^[a-z2-7]{8}$'),
    PRIMARY KEY (tenant_id, secret_id)
);
COMMENT ON TABLE lua.token_directory IS 'Which token a hash means; a token stays here when it ends, so that a leaked one is still known';
COMMENT ON COLUMN lua.token_directory.hash IS 'SHA-256 of the whole token, which holds 256 random bits: no slow hash would make it harder to guess';

CREATE TABLE lua.secret (
    tenant_id    bigint NOT NULL REFERENCES lua.tenant,
    secret_id    uuid NOT NULL,
    kind         text NOT NULL CHECK (kind IN ('credential', 'token')),
    name         text NOT NULL CHECK (name ~ '^[a-z][a-z0-9]*([._-][a-z0-9]+)*$' AND length(name) <= 63),
    sealed       bytea CHECK (get_byte(sealed, 0) = 2 AND length(sealed) BETWEEN 41 AND 70000),
    token_id     uuid,
    prefix       text,
    scopes       text[],
    created_at   timestamptz NOT NULL,
    created_by   text NOT NULL,
    expires_at   timestamptz,
    last_used_at timestamptz,
    replaced_at  timestamptz,
    revoked_at   timestamptz,
    entry_id     uuid NOT NULL,
    PRIMARY KEY (tenant_id, secret_id),
    FOREIGN KEY (tenant_id, token_id) REFERENCES lua.token_directory (tenant_id, secret_id),
    CHECK ((kind = 'token') = (token_id IS NOT NULL) AND (token_id IS NULL OR token_id = secret_id)),
    CHECK ((kind = 'token') = (prefix IS NOT NULL)),
    CHECK ((kind = 'token') = (scopes IS NOT NULL) AND cardinality(scopes) BETWEEN 1 AND 100),
    CHECK (array_position(scopes, NULL) IS NULL
           AND array_to_string(scopes, ' ') ~ '^[a-z][a-z-]*\.[a-z][a-z-]*( [a-z][a-z-]*\.[a-z][a-z-]*)*$'),
    -- What no longer holds is not kept, and what holds is there.
    CHECK ((sealed IS NOT NULL) = (kind = 'credential' AND replaced_at IS NULL AND revoked_at IS NULL)),
    -- A token that never ends is forgotten, and works all the same.
    CHECK (kind = 'credential' OR expires_at IS NOT NULL),
    CHECK (kind = 'token' OR last_used_at IS NULL),
    CHECK (expires_at >= created_at),
    CHECK (replaced_at >= created_at),
    CHECK (revoked_at >= created_at)
);
COMMENT ON TABLE lua.secret IS 'Credentials and API tokens of a tenant: one row for each value that there ever was, none of them readable';
COMMENT ON COLUMN lua.secret.sealed IS 'Frame 2 of docs/reference/formats.md, under the tenant''s credential key; gone when replaced or revoked';
COMMENT ON COLUMN lua.secret.token_id IS 'Its own id, for a token: the way to its hash';
COMMENT ON COLUMN lua.secret.prefix IS 'What a token begins with after lua_, for lists and logs';
COMMENT ON COLUMN lua.secret.last_used_at IS 'When the CRM last admitted it, to the minute';
-- Two living secrets of one name would leave open which of them is meant.
CREATE UNIQUE INDEX secret_living ON lua.secret (tenant_id, name) WHERE replaced_at IS NULL AND revoked_at IS NULL;

ALTER TABLE lua.secret ENABLE ROW LEVEL SECURITY;
ALTER TABLE lua.secret FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON lua.secret
    USING (tenant_id = nullif(current_setting('lua.tenant_id', true), '')::bigint
           AND ((tenant_id < 1099511627776 AND current_user !~ '^lua_t[0-9]')
                OR current_user = 'lua_t' || tenant_id));

GRANT SELECT ON lua.secret TO lua_operator, lua_app;
GRANT SELECT (tenant_id, secret_id, kind, name, token_id, prefix, scopes, created_at, created_by, expires_at, last_used_at,
              replaced_at, revoked_at, entry_id)
    ON lua.secret TO lua_admin, lua_responder, lua_auditor, lua_dpo;
GRANT SELECT, INSERT ON lua.token_directory TO lua_definer;
GRANT SELECT, INSERT, UPDATE (sealed, expires_at, last_used_at, replaced_at, revoked_at) ON lua.secret TO lua_definer;

-- Ends the secret that a new one takes the place of. It must still be the living one of that kind and name: whoever
-- planned on another one hears so.
CREATE FUNCTION lua.replace_secret(p_tenant bigint, p_replaces uuid, p_kind text, p_name text, p_at timestamptz,
                                   p_until timestamptz) RETURNS boolean
    LANGUAGE plpgsql SET search_path = '' AS $$
BEGIN
    PERFORM lua.require_tenant(p_tenant), lua.require_time(p_at);
    UPDATE lua.secret s
    SET replaced_at = greatest(p_at, s.created_at), sealed = NULL,
        expires_at = CASE WHEN p_kind = 'token' THEN greatest(s.created_at, least(s.expires_at, p_until)) ELSE s.expires_at END
    WHERE s.tenant_id = p_tenant AND s.secret_id = p_replaces AND s.kind = p_kind AND s.name = p_name
      AND s.replaced_at IS NULL AND s.revoked_at IS NULL;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'that secret was replaced or revoked meanwhile' USING ERRCODE = 'serialization_failure';
    END IF;
    RETURN true;
END $$;
COMMENT ON FUNCTION lua.replace_secret IS 'Called by the two functions that put a secret, and by nobody else';
REVOKE ALL ON FUNCTION lua.replace_secret(bigint, uuid, text, text, timestamptz, timestamptz) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION lua.replace_secret(bigint, uuid, text, text, timestamptz, timestamptz) TO lua_definer;
RESET ROLE;

CREATE FUNCTION lua.put_credential(p_tenant bigint, p_secret uuid, p_name text, p_sealed bytea, p_expires timestamptz,
                                   p_at timestamptz, p_entry uuid, p_replaces uuid) RETURNS boolean
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $$
BEGIN
    PERFORM lua.require_tenant(p_tenant), lua.require_time(p_at);
    IF p_replaces IS NOT NULL THEN
        PERFORM lua.replace_secret(p_tenant, p_replaces, 'credential', p_name, p_at, NULL);
    END IF;
    INSERT INTO lua.secret (tenant_id, secret_id, kind, name, sealed, created_at, created_by, expires_at, entry_id)
    VALUES (p_tenant, p_secret, 'credential', p_name, p_sealed, p_at, session_user, p_expires, p_entry);
    RETURN true;
END $$;
COMMENT ON FUNCTION lua.put_credential IS 'A new credential, or a new value of one; the earlier sealed value goes';

CREATE FUNCTION lua.put_token(p_tenant bigint, p_secret uuid, p_name text, p_prefix text, p_hash bytea, p_scopes text[],
                              p_expires timestamptz, p_at timestamptz, p_entry uuid, p_replaces uuid, p_until timestamptz)
    RETURNS boolean LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $$
BEGIN
    PERFORM lua.require_tenant(p_tenant), lua.require_time(p_at);
    IF p_replaces IS NOT NULL THEN
        PERFORM lua.replace_secret(p_tenant, p_replaces, 'token', p_name, p_at, p_until);
    END IF;
    INSERT INTO lua.token_directory (tenant_id, secret_id, hash, prefix) VALUES (p_tenant, p_secret, p_hash, p_prefix);
    INSERT INTO lua.secret (tenant_id, secret_id, kind, name, token_id, prefix, scopes, created_at, created_by, expires_at, entry_id)
    VALUES (p_tenant, p_secret, 'token', p_name, p_secret, p_prefix, p_scopes, p_at, session_user, p_expires, p_entry);
    RETURN true;
END $$;
COMMENT ON FUNCTION lua.put_token IS 'A new token by its hash, or the successor of one, which works on until p_until';

CREATE FUNCTION lua.revoke_secrets(p_tenant bigint, p_secrets uuid[], p_at timestamptz) RETURNS SETOF uuid
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $$
BEGIN
    PERFORM lua.require_tenant(p_tenant), lua.require_time(p_at);
    RETURN QUERY UPDATE lua.secret s SET revoked_at = greatest(p_at, s.created_at, s.replaced_at), sealed = NULL
                 WHERE s.tenant_id = p_tenant AND s.secret_id = ANY (p_secrets) AND s.revoked_at IS NULL
                 RETURNING s.secret_id;
END $$;
COMMENT ON FUNCTION lua.revoke_secrets IS 'Ends these at once and returns those that it ended; sealed values go';

-- What the CRM asks for each request to its API. The token itself never comes here. The work is the same whatever
-- becomes of it, and so is the answer for a token that never was, has ended, or is of a tenant that this login may
-- not act for: no row. The time of last use is kept to the minute, and waits for nobody.
CREATE FUNCTION lua.check_token(p_hash bytea, p_at timestamptz)
    RETURNS TABLE (tenant_id bigint, secret_id uuid, name text, scopes text[], expires_at timestamptz)
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $$
DECLARE
    moment timestamptz := greatest(p_at, now());
    becoming text := CASE WHEN current_setting('server_version_num')::integer >= 160000 THEN 'SET' ELSE 'MEMBER' END;
    found lua.secret;
BEGIN
    PERFORM lua.require_time(p_at);
    SELECT s.* INTO found
    FROM lua.token_directory d
    JOIN lua.secret s ON s.tenant_id = d.tenant_id AND s.secret_id = d.secret_id
    JOIN lua.tenant t ON t.tenant_id = d.tenant_id
    WHERE d.hash = p_hash AND s.revoked_at IS NULL AND s.expires_at > moment AND t.status = 'active'
      -- The rule of lua.require_tenant, as an answer instead of an error.
      AND CASE WHEN d.tenant_id < 1099511627776 THEN session_user !~ '^lua_t[0-9]'
               ELSE pg_has_role(session_user, to_regrole('lua_t' || d.tenant_id), becoming) END;
    UPDATE lua.secret u SET last_used_at = moment
    FROM (SELECT l.secret_id FROM lua.secret l
          WHERE l.tenant_id = found.tenant_id AND l.secret_id = found.secret_id
            AND (l.last_used_at IS NULL OR l.last_used_at <= moment - interval '1 minute')
          FOR UPDATE SKIP LOCKED) AS stale
    WHERE u.tenant_id = found.tenant_id AND u.secret_id = stale.secret_id;
    RETURN QUERY SELECT found.tenant_id, found.secret_id, found.name, found.scopes, found.expires_at
                 WHERE found.secret_id IS NOT NULL;
END $$;
COMMENT ON FUNCTION lua.check_token IS 'Tenant and scopes of a token that is good now, by its hash; records that it was used';

CREATE FUNCTION lua.find_token(p_hash bytea, p_prefix text) RETURNS TABLE (tenant text, secret_id uuid)
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = '' AS $$
    SELECT t.slug, d.secret_id FROM lua.token_directory d JOIN lua.tenant_directory t ON t.tenant_id = d.tenant_id
    WHERE d.hash = p_hash OR d.prefix = p_prefix
$$;
COMMENT ON FUNCTION lua.find_token IS 'Whose a token is that turned up somewhere, by its hash or prefix, living or not';

DO $owners$
DECLARE
    f regprocedure;
BEGIN
    FOREACH f IN ARRAY ARRAY[
        'lua.put_credential(bigint, uuid, text, bytea, timestamptz, timestamptz, uuid, uuid)',
        'lua.put_token(bigint, uuid, text, text, bytea, text[], timestamptz, timestamptz, uuid, uuid, timestamptz)',
        'lua.revoke_secrets(bigint, uuid[], timestamptz)', 'lua.check_token(bytea, timestamptz)',
        'lua.find_token(bytea, text)']::regprocedure[]
    LOOP
        EXECUTE format('ALTER FUNCTION %s OWNER TO lua_definer', f);
        EXECUTE format('REVOKE ALL ON FUNCTION %s FROM PUBLIC', f);
    END LOOP;
END
$owners$;
-- Whoever gives a token gives access: that is the administrators' to do. A credential is part of running a tenant.
GRANT EXECUTE ON FUNCTION lua.put_credential(bigint, uuid, text, bytea, timestamptz, timestamptz, uuid, uuid)
    TO lua_admin, lua_operator;
GRANT EXECUTE ON FUNCTION lua.put_token(bigint, uuid, text, text, bytea, text[], timestamptz, timestamptz, uuid, uuid, timestamptz)
    TO lua_admin;
GRANT EXECUTE ON FUNCTION lua.revoke_secrets(bigint, uuid[], timestamptz)
    TO lua_admin, lua_operator, lua_responder, lua_dpo;
GRANT EXECUTE ON FUNCTION lua.check_token(bytea, timestamptz) TO lua_app;
GRANT EXECUTE ON FUNCTION lua.find_token(bytea, text) TO lua_admin, lua_operator, lua_responder, lua_auditor, lua_dpo;
