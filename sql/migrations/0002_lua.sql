-- Schema lua: the registry of tenants and the rules that hold for them.
SET LOCAL ROLE lua_owner;

-- What must be unique over all tenants stands here, outside row level security (a reference table on Citus).
CREATE SEQUENCE lua.pooled_tenant AS bigint MINVALUE 1 MAXVALUE 1099511627775;
COMMENT ON SEQUENCE lua.pooled_tenant IS 'Ids of tenants that share tables; dedicated ones start at 2^40';

CREATE TABLE lua.tenant_directory (
    tenant_id bigint PRIMARY KEY CHECK (tenant_id > 0),
    slug      text NOT NULL UNIQUE CHECK (slug ~ '^[a-z][a-z0-9]*(-[a-z0-9]+)*$' AND length(slug) BETWEEN 2 AND 63),
    key_no    bigint NOT NULL UNIQUE CHECK (key_no >= 0)
);
COMMENT ON TABLE lua.tenant_directory IS 'Which tenant a name means, and where its keys hang in the key tree';
COMMENT ON COLUMN lua.tenant_directory.key_no IS 'Number in the tree: subtree item 2n, duty subtree item 2n + 1';

CREATE TABLE lua.tenant (
    tenant_id    bigint PRIMARY KEY REFERENCES lua.tenant_directory,
    slug         text NOT NULL,
    name         text NOT NULL CHECK (name <> '' AND length(name) <= 200),
    country      text NOT NULL CHECK (country ~ '^[A-Z]{2}$'),
    contact      text NOT NULL CHECK (contact <> '' AND length(contact) <= 200),
    isolation    text NOT NULL DEFAULT 'pooled' CHECK (isolation IN ('pooled', 'dedicated')),
    status       text NOT NULL DEFAULT 'active' CHECK (status IN ('active', 'suspended', 'terminated')),
    reason       text CHECK (length(reason) <= 500),
    created_at   timestamptz NOT NULL,
    updated_at   timestamptz NOT NULL,
    CHECK ((isolation = 'dedicated') = (tenant_id >= 1099511627776))
);
COMMENT ON TABLE lua.tenant IS 'One row a customer organisation of Lua CRM (controller data of Lua CRM itself)';
COMMENT ON COLUMN lua.tenant.contact IS 'Whom notices go to';
COMMENT ON COLUMN lua.tenant.reason IS 'Why the tenant is in this status';

CREATE TABLE lua.retention_rule (
    tenant_id       bigint NOT NULL REFERENCES lua.tenant,
    retention_class text NOT NULL CHECK (retention_class IN ('contact', 'interaction', 'invoice')),
    starting_point  text NOT NULL CHECK (starting_point IN ('end of relationship', 'month of occurrence', 'year of issue')),
    months          integer CHECK (months > 0 AND months <= 1200),
    minimum_months  integer NOT NULL DEFAULT 0 CHECK (minimum_months >= 0),
    basis           text NOT NULL CHECK (basis <> ''),
    updated_at      timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, retention_class),
    CHECK (months IS NULL OR months >= minimum_months),
    CHECK (minimum_months = 0 OR months IS NOT NULL)
);
COMMENT ON TABLE lua.retention_rule IS 'Deletion rules (ISO/IEC 27555): starting point and regular deletion period per class';
COMMENT ON COLUMN lua.retention_rule.months IS 'Counted from the end of the period in which the clock started; null: until erasure';
COMMENT ON COLUMN lua.retention_rule.minimum_months IS 'What a legal duty demands; a tenant cannot go below';

CREATE TABLE lua.instruction (
    tenant_id      bigint NOT NULL REFERENCES lua.tenant,
    instruction_id uuid NOT NULL,
    reference      text NOT NULL CHECK (reference <> '' AND length(reference) <= 200),
    purpose        text NOT NULL CHECK (purpose <> '' AND length(purpose) <= 200),
    given_by       text NOT NULL CHECK (given_by <> '' AND length(given_by) <= 200),
    valid_from     timestamptz NOT NULL,
    valid_until    timestamptz,
    PRIMARY KEY (tenant_id, instruction_id),
    UNIQUE (tenant_id, reference),
    CHECK (valid_until > valid_from)
);
COMMENT ON TABLE lua.instruction IS 'Documented instructions of the controller (Art. 28(3)(a) GDPR)';

CREATE TABLE lua.deployment (
    only_one  boolean PRIMARY KEY DEFAULT true CHECK (only_one),
    throwaway boolean NOT NULL DEFAULT false
);
COMMENT ON TABLE lua.deployment IS 'One row: what kind of installation this is; only a superuser changes it';
COMMENT ON COLUMN lua.deployment.throwaway IS 'A demo or a test, in which the clock may be moved past the end of a legal duty';
INSERT INTO lua.deployment DEFAULT VALUES;

CREATE TABLE lua.sentinel (
    tenant_id bigint PRIMARY KEY,
    note      text NOT NULL
);
COMMENT ON TABLE lua.sentinel IS 'Row 0 must be visible in context 0 and row -1 must not: else row security is not at work';
INSERT INTO lua.sentinel VALUES (0, 'visible in context 0'), (-1, 'visible in no context');

GRANT SELECT ON lua.tenant_directory TO lua_admin, lua_operator, lua_responder, lua_auditor, lua_dpo, lua_accounting;
GRANT INSERT ON lua.tenant_directory TO lua_admin;
GRANT USAGE ON SEQUENCE lua.pooled_tenant TO lua_admin;
GRANT SELECT ON lua.tenant, lua.retention_rule TO lua_admin, lua_operator, lua_responder, lua_auditor, lua_dpo,
    lua_accounting, lua_app;
GRANT INSERT ON lua.tenant TO lua_admin;
GRANT UPDATE (name, country, contact, status, reason, updated_at) ON lua.tenant TO lua_admin;
GRANT INSERT ON lua.retention_rule TO lua_admin;
GRANT UPDATE (months, basis, updated_at) ON lua.retention_rule TO lua_admin, lua_dpo;
GRANT SELECT ON lua.instruction TO lua_admin, lua_operator, lua_responder, lua_auditor, lua_dpo;
GRANT INSERT ON lua.instruction TO lua_admin, lua_dpo;
GRANT SELECT ON lua.sentinel TO lua_admin, lua_operator, lua_responder, lua_auditor, lua_dpo, lua_accounting, lua_app, lua_ai;
GRANT SELECT ON lua.deployment TO lua_admin, lua_operator, lua_responder, lua_auditor, lua_dpo, lua_accounting, lua_definer;
GRANT SELECT ON lua.tenant, lua.tenant_directory, lua.retention_rule TO lua_definer;

-- What the definer functions ask first, since row security does not bind them: the policy's rule, for session_user.
-- A dedicated tenant is for whoever may become its own login role; for nobody else, staff included.
CREATE FUNCTION lua.require_tenant(p_tenant bigint) RETURNS boolean
    LANGUAGE plpgsql STABLE SET search_path = '' AS $$
DECLARE
    own oid := to_regrole('lua_t' || p_tenant);
    becoming text := CASE WHEN current_setting('server_version_num')::integer >= 160000 THEN 'SET' ELSE 'MEMBER' END;
BEGIN
    IF p_tenant >= 0 AND p_tenant < 1099511627776 AND session_user !~ '^lua_t[0-9]' THEN
        RETURN true;
    END IF;
    IF p_tenant >= 1099511627776 AND own IS NOT NULL AND pg_has_role(session_user, own, becoming) THEN
        RETURN true;
    END IF;
    RAISE EXCEPTION 'tenant % is not for %', p_tenant, session_user USING ERRCODE = 'insufficient_privilege';
END $$;
COMMENT ON FUNCTION lua.require_tenant IS 'True, or an error: whether session_user may act for a tenant at all';

-- Whoever calls states the time, so that throw-away installations can move it. Elsewhere nobody reaches the end of
-- a legal duty by stating a time to come: the server's own clock is the limit.
CREATE FUNCTION lua.require_time(p_at timestamptz) RETURNS boolean
    LANGUAGE plpgsql STABLE SET search_path = '' AS $$
BEGIN
    IF p_at <= now() + interval '1 hour' OR (SELECT d.throwaway FROM lua.deployment d) THEN
        RETURN true;
    END IF;
    RAISE EXCEPTION '% lies in the future of the server''s clock', coalesce(p_at::text, 'no time at all')
        USING ERRCODE = 'check_violation';
END $$;
COMMENT ON FUNCTION lua.require_time IS 'True, or an error: a time to come may be stated only where all is throw-away';
REVOKE ALL ON FUNCTION lua.require_tenant(bigint), lua.require_time(timestamptz) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION lua.require_tenant(bigint), lua.require_time(timestamptz) TO lua_definer;
RESET ROLE;

-- Every tenant over all contexts: the one list that row security would otherwise cut to a single row.
CREATE FUNCTION lua.tenants() RETURNS SETOF lua.tenant
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = ''
    AS 'SELECT * FROM lua.tenant ORDER BY tenant_id';
ALTER FUNCTION lua.tenants() OWNER TO lua_definer;
REVOKE ALL ON FUNCTION lua.tenants() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION lua.tenants() TO lua_admin, lua_operator, lua_responder, lua_auditor, lua_dpo, lua_accounting;
COMMENT ON FUNCTION lua.tenants() IS 'All tenants, for the people and jobs of Lua CRM; never for the application role';
