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
