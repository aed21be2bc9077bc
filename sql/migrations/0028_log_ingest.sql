-- How lines came in: what is sealed of them, block by block, and when a file was read to its end.
SET LOCAL ROLE lua_owner;

ALTER TABLE lua.log_line DROP COLUMN raw;
ALTER TABLE lua.log_file ADD COLUMN ended_at timestamptz;
COMMENT ON COLUMN lua.log_file.ended_at IS 'When it was seen that nothing more comes: read to its end after the next one had begun';

CREATE TABLE lua.log_block (
    source_id uuid NOT NULL,
    file_no   bigint NOT NULL,
    place     bigint NOT NULL CHECK (place >= 0),
    until     bigint NOT NULL,
    period_id bigint NOT NULL CHECK (period_id BETWEEN 0 AND 4294967295),
    sealed    bytea NOT NULL CHECK (get_byte(sealed, 0) = 3),
    PRIMARY KEY (source_id, file_no, place),
    FOREIGN KEY (source_id, file_no) REFERENCES lua.log_file,
    CHECK (until > place)
);
COMMENT ON TABLE lua.log_block IS 'Bytes of a log file as they were, sealed under the key of their month (docs/reference/formats.md)';
COMMENT ON COLUMN lua.log_block.until IS 'Byte offset after the last byte';

GRANT INSERT ON lua.log_block TO lua_admin, lua_operator;
GRANT SELECT ON lua.log_block TO lua_admin, lua_operator, lua_responder, lua_auditor, lua_dpo;
GRANT UPDATE (ended_at) ON lua.log_file TO lua_admin, lua_operator;
RESET ROLE;
