-- Plans of erasures on record: for whoever is asked to approve one, and for whoever carries it out later.
SET LOCAL ROLE lua_owner;

CREATE TABLE lua.erasure_plan (
    tenant_id   bigint NOT NULL REFERENCES lua.tenant,
    plan_id     uuid NOT NULL,
    target      bytea NOT NULL CHECK (length(target) = 32),
    digest      bytea NOT NULL CHECK (length(digest) = 32),
    scope       text NOT NULL
        CHECK (scope IN ('person', 'special', 'interaction') OR scope ~ '^contact\.personal\.[a-z][a-z0-9_]{0,39}$'),
    subjects    uuid[] NOT NULL CHECK (cardinality(subjects) > 0 AND array_position(subjects, NULL) IS NULL),
    instruction text NOT NULL CHECK (instruction <> '' AND length(instruction) <= 200),
    plan        jsonb NOT NULL,
    made_by     text NOT NULL,
    made_at     timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, plan_id),
    -- Planned again by the same login, the same people and scope are the same plan.
    UNIQUE (tenant_id, target, made_by)
);
COMMENT ON TABLE lua.erasure_plan IS 'Erasures that are planned and not begun; the erasure, or who withdraws it, takes the row away';
COMMENT ON COLUMN lua.erasure_plan.target IS 'SHA-256 of scope and people, as in the target of a request for approval';
COMMENT ON COLUMN lua.erasure_plan.digest IS 'Digest of the plan: people, scope, rules and instruction (docs/design/erasure.md)';
COMMENT ON COLUMN lua.erasure_plan.subjects IS 'Everybody asked for, in the order of ids: random ids, no name';
COMMENT ON COLUMN lua.erasure_plan.plan IS 'What it meant when it was made: counts, what stays and why; no personal data';
CREATE INDEX erasure_plan_digest ON lua.erasure_plan (tenant_id, digest);
ALTER TABLE lua.erasure_plan ALTER digest SET STATISTICS 0, ALTER target SET STATISTICS 0;
-- Who was left out is asked over all erasures, often, and is nearly always nobody.
CREATE INDEX erasure_subject_held ON lua.erasure_subject (tenant_id, erasure_id) WHERE state = 'held';

SELECT lua.imitate('lua.tenant', 'lua.erasure_plan');
-- Nobody plans in another's name.
CREATE POLICY own_name ON lua.erasure_plan AS RESTRICTIVE FOR INSERT WITH CHECK (made_by = session_user);
CREATE POLICY own_plan ON lua.erasure_plan AS RESTRICTIVE FOR UPDATE USING (made_by = session_user);

GRANT SELECT ON lua.erasure_plan TO lua_admin, lua_operator, lua_responder, lua_auditor, lua_dpo;
GRANT INSERT, UPDATE (digest, instruction, plan, made_at), DELETE ON lua.erasure_plan TO lua_operator, lua_dpo;
GRANT SELECT ON lua.erasure_plan TO lua_definer;
GRANT SELECT ON lua.erasure_subject TO lua_definer;
RESET ROLE;

CREATE FUNCTION lua.tenant_of_erasure_plan(p_plan uuid) RETURNS bigint
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = ''
    AS 'SELECT p.tenant_id FROM lua.erasure_plan p WHERE p.plan_id = p_plan AND lua.require_tenant(p.tenant_id)';
COMMENT ON FUNCTION lua.tenant_of_erasure_plan IS 'Which tenant a plan belongs to; null when there is none of that id';

-- What is planned, under way, held back or done, over all tenants that the caller may act for, newest first. Counts alone.
-- A state in the sense of the caller needs approvals too, whose signatures only luactl can check.
CREATE FUNCTION lua.erasure_queue(p_open boolean, p_limit bigint)
    RETURNS TABLE (tenant_id bigint, tenant text, kind text, id uuid, state text, scope text, people integer, held integer,
                   waiting integer, instruction text, made_by text, made_at timestamptz, ended_at timestamptz, digest text)
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = '' AS $$
    WITH mine AS MATERIALIZED (
        SELECT d.tenant_id, d.slug FROM lua.tenant_directory d
        WHERE CASE WHEN d.tenant_id < 1099511627776 THEN session_user !~ '^lua_t[0-9]'
                   ELSE session_user = 'lua_t' || d.tenant_id
                        OR pg_has_role(session_user, to_regrole('lua_t' || d.tenant_id || '_staff'), 'MEMBER') END
    ), acts AS (
        SELECT m.slug, e.* FROM lua.erasure e JOIN mine m ON m.tenant_id = e.tenant_id
        WHERE NOT p_open OR e.state = 'intent'
              OR EXISTS (SELECT FROM lua.erasure_subject l
                         WHERE l.tenant_id = e.tenant_id AND l.erasure_id = e.erasure_id AND l.state = 'held')
        ORDER BY e.created_at DESC, e.erasure_id DESC LIMIT nullif(p_limit, 0)
    ), plans AS (
        SELECT m.slug, p.* FROM lua.erasure_plan p JOIN mine m ON m.tenant_id = p.tenant_id
        ORDER BY p.made_at DESC, p.plan_id DESC LIMIT nullif(p_limit, 0)
    )
    SELECT p.tenant_id, p.slug, 'plan', p.plan_id, 'planned', p.scope, cardinality(p.subjects),
           (SELECT count(DISTINCT h.subject_id) FROM lua.holds_on(p.tenant_id, p.subjects) h
            JOIN crm.subject s ON s.tenant_id = p.tenant_id AND s.subject_id = h.subject_id AND s.status = 'active')::integer,
           0, p.instruction, p.made_by, p.made_at, NULL, encode(p.digest, 'hex')
    FROM plans p
    UNION ALL
    SELECT e.tenant_id, e.slug, 'erasure', e.erasure_id, e.state, e.scope, cardinality(e.subjects),
           (SELECT count(DISTINCT h.subject_id) FROM lua.holds_on(e.tenant_id, w.ids) h)::integer,
           cardinality(w.ids), e.instruction, e.requested_by, e.created_at, e.completed_at, encode(e.digest, 'hex')
    FROM acts e
    CROSS JOIN LATERAL (
        SELECT coalesce(array_agg(l.subject_id), '{}') AS ids
        FROM lua.erasure_subject l
        JOIN crm.subject s ON s.tenant_id = e.tenant_id AND s.subject_id = l.subject_id AND s.status = 'active'
        WHERE l.tenant_id = e.tenant_id AND l.erasure_id = e.erasure_id AND l.state = 'held'
          AND NOT EXISTS (SELECT FROM lua.erasure_subject g
                          WHERE g.tenant_id = e.tenant_id AND g.subject_id = l.subject_id AND g.scope = l.scope
                            AND g.state = 'erased' AND g.erasure_id > l.erasure_id)
    ) AS w
    ORDER BY 12 DESC, 4 DESC
$$;
COMMENT ON FUNCTION lua.erasure_queue IS 'Planned, begun and finished erasures of the caller''s tenants, at most so many of each; open: those that are not done. Names no person';

DO $owners$
DECLARE
    f regprocedure;
BEGIN
    FOREACH f IN ARRAY ARRAY['lua.tenant_of_erasure_plan(uuid)', 'lua.erasure_queue(boolean, bigint)']::regprocedure[]
    LOOP
        EXECUTE format('ALTER FUNCTION %s OWNER TO lua_definer', f);
        EXECUTE format('REVOKE ALL ON FUNCTION %s FROM PUBLIC', f);
        EXECUTE format('GRANT EXECUTE ON FUNCTION %s TO lua_admin, lua_operator, lua_responder, lua_auditor, lua_dpo', f);
    END LOOP;
END
$owners$;
