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

GRANT SELECT ON lua.erasure, lua.purge TO lua_admin, lua_operator, lua_responder, lua_auditor, lua_dpo;
GRANT INSERT, UPDATE (state, result, completed_at) ON lua.erasure, lua.purge TO lua_operator, lua_dpo;
