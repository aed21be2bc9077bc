-- Erasures of many people at once: one act, carried out in batches, each of which is one epoch of the key tree.
SET LOCAL ROLE lua_owner;

-- What holds that nobody is erased twice stands below, where an erasure's people are.
DROP INDEX lua.erasure_subject;
ALTER TABLE lua.erasure
    ALTER subject_id DROP NOT NULL,
    ADD COLUMN scope text NOT NULL DEFAULT 'person' CHECK (scope IN ('person', 'special')),
    ADD COLUMN subjects uuid[] NOT NULL DEFAULT '{}',
    ADD COLUMN digest bytea CHECK (length(digest) = 32);
COMMENT ON COLUMN lua.erasure.subject_id IS 'The person, when it is one; null when they are many';
COMMENT ON COLUMN lua.erasure.scope IS 'person: all but what a duty keeps; special: what is sealed under that class alone';
COMMENT ON COLUMN lua.erasure.subjects IS 'Everybody asked for: what is left to do is read from here when a run was cut short';
COMMENT ON COLUMN lua.erasure.digest IS 'Digest of the plan: people, scope, rules and instruction (docs/design/erasure.md)';
COMMENT ON COLUMN lua.erasure.epoch IS 'Epoch of the first batch';
CREATE INDEX erasure_digest ON lua.erasure (tenant_id, digest);
ALTER TABLE lua.erasure ALTER digest SET STATISTICS 0;

CREATE TABLE lua.erasure_batch (
    tenant_id  bigint NOT NULL,
    erasure_id uuid NOT NULL,
    epoch      bigint NOT NULL CHECK (epoch > 1),
    people     integer NOT NULL CHECK (people >= 0),
    gone       jsonb NOT NULL,
    keys       jsonb NOT NULL,
    at         timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, erasure_id, epoch),
    FOREIGN KEY (tenant_id, erasure_id) REFERENCES lua.erasure (tenant_id, erasure_id)
);
COMMENT ON TABLE lua.erasure_batch IS 'What went in each epoch of an erasure: rows by table and keys by class, in counts';

CREATE TABLE lua.erasure_subject (
    tenant_id    bigint NOT NULL,
    erasure_id   uuid NOT NULL,
    subject_id   uuid NOT NULL,
    state        text NOT NULL CHECK (state IN ('erased', 'before', 'held')),
    scope        text NOT NULL,
    key_classes  smallint[] NOT NULL DEFAULT '{}',
    key_versions integer[] NOT NULL DEFAULT '{}',
    key_slots    bigint[] NOT NULL DEFAULT '{}',
    PRIMARY KEY (tenant_id, erasure_id, subject_id),
    FOREIGN KEY (tenant_id, erasure_id) REFERENCES lua.erasure (tenant_id, erasure_id),
    CHECK (cardinality(key_classes) = cardinality(key_versions) AND cardinality(key_classes) = cardinality(key_slots))
);
COMMENT ON TABLE lua.erasure_subject IS 'What became of each person of an erasure: the only way from the act to its people';
COMMENT ON COLUMN lua.erasure_subject.state IS 'erased; before: was erased already by another act; held: left out, because a hold binds';
COMMENT ON COLUMN lua.erasure_subject.key_slots IS 'Where the dropped keys stood, by class and version: a check looks there again';
-- Nobody is erased twice as a person.
CREATE UNIQUE INDEX erasure_subject_once ON lua.erasure_subject (tenant_id, subject_id)
    WHERE scope = 'person' AND state = 'erased';

DO $isolation$
DECLARE
    t regclass;
BEGIN
    FOREACH t IN ARRAY ARRAY['lua.erasure_batch', 'lua.erasure_subject']::regclass[]
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

GRANT SELECT ON lua.erasure_batch, lua.erasure_subject TO lua_admin, lua_operator, lua_responder, lua_auditor, lua_dpo;
GRANT INSERT ON lua.erasure_batch, lua.erasure_subject TO lua_operator, lua_dpo;
GRANT SELECT, INSERT ON lua.erasure_batch, lua.erasure_subject TO lua_definer;
GRANT UPDATE (subjects) ON lua.erasure TO lua_definer;
RESET ROLE;

-- Erasures on record become acts of one batch. Row security binds the owner too, so the definer moves them.
SET LOCAL ROLE lua_definer;
UPDATE lua.erasure SET subjects = ARRAY[subject_id];
INSERT INTO lua.erasure_batch (tenant_id, erasure_id, epoch, people, gone, keys, at)
SELECT e.tenant_id, e.erasure_id, e.epoch, 1, coalesce(e.plan -> 'going', '{}'),
       coalesce((SELECT jsonb_object_agg(k.class, k.n)
                 FROM (SELECT one ->> 'class' AS class, count(*) AS n
                       FROM jsonb_array_elements(e.plan -> 'keys') AS one GROUP BY 1) AS k), '{}'),
       e.created_at
FROM lua.erasure e;
INSERT INTO lua.erasure_subject (tenant_id, erasure_id, subject_id, state, scope, key_classes, key_versions, key_slots)
SELECT e.tenant_id, e.erasure_id, e.subject_id, 'erased', 'person', k.classes, k.versions, k.slots
FROM lua.erasure e
CROSS JOIN LATERAL (
    SELECT coalesce(array_agg(c.no ORDER BY one.no), '{}') AS classes,
           coalesce(array_agg((one.key ->> 'version')::integer ORDER BY one.no), '{}') AS versions,
           coalesce(array_agg((one.key ->> 'slot')::bigint ORDER BY one.no), '{}') AS slots
    FROM jsonb_array_elements(e.plan -> 'keys') WITH ORDINALITY AS one (key, no)
    JOIN (VALUES ('main', 1::smallint), ('special', 2::smallint), ('accounting', 3::smallint),
                 ('medical-record', 4::smallint)) AS c (class, no) ON c.class = one.key ->> 'class'
) AS k;
RESET ROLE;

SET LOCAL ROLE lua_owner;
REVOKE UPDATE (subjects) ON lua.erasure FROM lua_definer;
REVOKE INSERT ON lua.erasure_batch, lua.erasure_subject FROM lua_definer;
RESET ROLE;

-- The functions of the definer take many people at once.
DROP FUNCTION crm.mark_erased(bigint, uuid, timestamptz);
CREATE FUNCTION crm.mark_erased(p_tenant bigint, p_subjects uuid[], p_at timestamptz) RETURNS bigint
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $$
DECLARE
    marked bigint;
BEGIN
    PERFORM lua.require_tenant(p_tenant), lua.require_time(p_at);
    UPDATE crm.subject SET status = 'erased', personal = NULL, erased_at = p_at, updated_at = p_at
    WHERE tenant_id = p_tenant AND subject_id = ANY (p_subjects) AND status = 'active';
    GET DIAGNOSTICS marked = ROW_COUNT;
    RETURN marked;
END $$;
COMMENT ON FUNCTION crm.mark_erased IS 'Marks living subjects as erased, for good; returns how many it marked';

CREATE FUNCTION crm.invoices_of_all(p_tenant bigint, p_subjects uuid[])
    RETURNS TABLE (retention_period integer, invoices bigint, lines bigint, retained boolean)
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = '' AS $$
    WITH theirs AS MATERIALIZED (
        SELECT i.invoice_id, i.retention_period, i.retained_at IS NOT NULL AS retained
        FROM crm.invoice i
        WHERE lua.require_tenant(p_tenant) AND i.tenant_id = p_tenant AND i.subject_id = ANY (p_subjects)
    ), counted AS (
        SELECT l.invoice_id, count(*) AS lines
        FROM crm.invoice_line l JOIN theirs t ON l.invoice_id = t.invoice_id
        WHERE l.tenant_id = p_tenant GROUP BY l.invoice_id
    )
    SELECT t.retention_period, count(*), coalesce(sum(c.lines), 0)::bigint, bool_and(t.retained)
    FROM theirs t LEFT JOIN counted c ON c.invoice_id = t.invoice_id
    GROUP BY t.retention_period ORDER BY t.retention_period
$$;
COMMENT ON FUNCTION crm.invoices_of_all IS
    'How many invoices and lines these subjects have per period, hidden ones included: counts only';

CREATE FUNCTION crm.billed(p_tenant bigint, p_subjects uuid[]) RETURNS SETOF uuid
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = '' AS $$
    SELECT DISTINCT i.subject_id FROM crm.invoice i
    WHERE lua.require_tenant(p_tenant) AND i.tenant_id = p_tenant AND i.subject_id = ANY (p_subjects)
$$;
COMMENT ON FUNCTION crm.billed IS 'Which of these subjects have an invoice, hidden ones included';

DO $$
DECLARE
    f regprocedure;
BEGIN
    FOREACH f IN ARRAY ARRAY['crm.mark_erased(bigint, uuid[], timestamptz)', 'crm.invoices_of_all(bigint, uuid[])',
                             'crm.billed(bigint, uuid[])']::regprocedure[]
    LOOP
        EXECUTE format('ALTER FUNCTION %s OWNER TO lua_definer', f);
        EXECUTE format('REVOKE ALL ON FUNCTION %s FROM PUBLIC', f);
        EXECUTE format('GRANT EXECUTE ON FUNCTION %s TO lua_operator, lua_dpo', f);
    END LOOP;
END $$;
GRANT EXECUTE ON FUNCTION crm.invoices_of_all(bigint, uuid[]), crm.billed(bigint, uuid[])
    TO lua_admin, lua_responder, lua_auditor;
