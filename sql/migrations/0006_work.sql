-- Work that spans the database and the key holders leaves a row of its own, so that it can be resumed and shown.
SET LOCAL ROLE lua_owner;

CREATE TABLE lua.erasure (
    tenant_id    bigint NOT NULL REFERENCES lua.tenant,
    erasure_id   uuid NOT NULL,
    subject_id   uuid NOT NULL,
    instruction  text NOT NULL CHECK (instruction <> '' AND length(instruction) <= 200),
    requested_by text NOT NULL,
    state        text NOT NULL CHECK (state IN ('intent', 'done')),
    epoch        bigint NOT NULL,
    plan         jsonb NOT NULL,
    result       jsonb,
    created_at   timestamptz NOT NULL,
    completed_at timestamptz,
    PRIMARY KEY (tenant_id, erasure_id),
    CHECK ((state = 'done') = (completed_at IS NOT NULL)),
    CHECK ((state = 'done') = (result IS NOT NULL))
);
COMMENT ON TABLE lua.erasure IS 'Erasures (Art. 17): intent with the epoch that drops the keys, then what came of it';
COMMENT ON COLUMN lua.erasure.plan IS 'Counts per table, classes dropped and kept; no personal data';
CREATE UNIQUE INDEX erasure_subject ON lua.erasure (tenant_id, subject_id);
-- What was cut short is asked over all tenants, often, and is nearly always nothing.
CREATE INDEX erasure_open ON lua.erasure (tenant_id, erasure_id) WHERE state = 'intent';

CREATE TABLE lua.purge (
    tenant_id    bigint NOT NULL REFERENCES lua.tenant,
    purge_id     uuid NOT NULL,
    requested_by text NOT NULL,
    state        text NOT NULL CHECK (state IN ('intent', 'done')),
    epoch        bigint NOT NULL,
    plan         jsonb NOT NULL,
    result       jsonb,
    created_at   timestamptz NOT NULL,
    completed_at timestamptz,
    PRIMARY KEY (tenant_id, purge_id),
    CHECK ((state = 'done') = (completed_at IS NOT NULL)),
    CHECK ((state = 'done') = (result IS NOT NULL))
);
COMMENT ON TABLE lua.purge IS 'Retention purges: one row a tenant and run';
CREATE INDEX purge_open ON lua.purge (tenant_id, purge_id) WHERE state = 'intent';

-- Nobody asks in another's name, and what came of it is written once.
CREATE POLICY own_name ON lua.erasure AS RESTRICTIVE FOR INSERT WITH CHECK (requested_by = session_user);
CREATE POLICY own_name ON lua.purge AS RESTRICTIVE FOR INSERT WITH CHECK (requested_by = session_user);
CREATE POLICY written_once ON lua.erasure AS RESTRICTIVE FOR UPDATE USING (state = 'intent') WITH CHECK (true);
CREATE POLICY written_once ON lua.purge AS RESTRICTIVE FOR UPDATE USING (state = 'intent') WITH CHECK (true);

GRANT SELECT ON lua.erasure, lua.purge TO lua_admin, lua_operator, lua_responder, lua_auditor, lua_dpo;
GRANT INSERT, UPDATE (state, result, completed_at) ON lua.erasure, lua.purge TO lua_operator, lua_dpo;
GRANT SELECT ON lua.erasure, lua.purge TO lua_definer;
RESET ROLE;

-- A certificate names an erasure, not a tenant: the way back, for whoever may see erasures anyway.
CREATE FUNCTION lua.tenant_of_erasure(p_erasure uuid) RETURNS bigint
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = ''
    AS 'SELECT e.tenant_id FROM lua.erasure e WHERE e.erasure_id = p_erasure AND lua.require_tenant(e.tenant_id)';
ALTER FUNCTION lua.tenant_of_erasure(uuid) OWNER TO lua_definer;
REVOKE ALL ON FUNCTION lua.tenant_of_erasure(uuid) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION lua.tenant_of_erasure(uuid) TO lua_admin, lua_operator, lua_responder, lua_auditor, lua_dpo;
COMMENT ON FUNCTION lua.tenant_of_erasure IS 'Which tenant an erasure belongs to; null when there is none of that id';

-- What was cut short, over all contexts: each tenant's own row shows in its context alone.
CREATE FUNCTION lua.unfinished() RETURNS TABLE (kind text, tenant text, id uuid, since timestamptz)
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = '' AS $$
    SELECT 'erasure', d.slug, e.erasure_id, e.created_at
    FROM lua.erasure e JOIN lua.tenant_directory d ON d.tenant_id = e.tenant_id WHERE e.state = 'intent'
    UNION ALL
    SELECT 'purge', d.slug, p.purge_id, p.created_at
    FROM lua.purge p JOIN lua.tenant_directory d ON d.tenant_id = p.tenant_id WHERE p.state = 'intent'
    ORDER BY 4, 3
$$;
ALTER FUNCTION lua.unfinished() OWNER TO lua_definer;
REVOKE ALL ON FUNCTION lua.unfinished() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION lua.unfinished() TO lua_admin, lua_operator, lua_responder, lua_auditor, lua_dpo;
COMMENT ON FUNCTION lua.unfinished IS 'Erasures and purges that were begun and not finished; names no person';
