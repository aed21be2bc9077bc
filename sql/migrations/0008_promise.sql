-- Waivers of promises: what stays unproven for a time, by whose word. They belong to no tenant.
SET LOCAL ROLE lua_owner;

CREATE TABLE lua.waiver (
    waiver_id   uuid PRIMARY KEY,
    page        text NOT NULL CHECK (page <> '' AND length(page) <= 200),
    promise     text NOT NULL CHECK (promise ~ '^[0-9]+(\.[0-9]+)*$' AND length(promise) <= 40),
    reason      text NOT NULL CHECK (reason <> '' AND length(reason) <= 500),
    waived_by   text NOT NULL DEFAULT session_user,
    waived_at   timestamptz NOT NULL,
    valid_until timestamptz NOT NULL,
    ended_at    timestamptz,
    entry_id    uuid NOT NULL,
    CHECK (valid_until > waived_at),
    CHECK (ended_at >= waived_at)
);
COMMENT ON TABLE lua.waiver IS 'Promises that may be broken or not observable for a time; none for ever';
COMMENT ON COLUMN lua.waiver.waived_by IS 'The login itself: nobody may write another name here';
COMMENT ON COLUMN lua.waiver.ended_at IS 'When it was taken back, or replaced after its time';
COMMENT ON COLUMN lua.waiver.entry_id IS 'Ledger entry that records it';
-- Two waivers of one promise could say two things.
CREATE UNIQUE INDEX waiver_open ON lua.waiver (page, promise) WHERE ended_at IS NULL;

GRANT SELECT ON lua.waiver TO lua_admin, lua_operator, lua_responder, lua_auditor, lua_dpo, lua_accounting;
-- Who runs the systems does not excuse them.
GRANT INSERT (waiver_id, page, promise, reason, waived_at, valid_until, entry_id) ON lua.waiver TO lua_dpo;
GRANT UPDATE (ended_at) ON lua.waiver TO lua_dpo;
RESET ROLE;
