-- Who collects evidence: bytes of log files as they were are for responders, auditors and the data protection officer. Whoever
-- runs the servers, and whoever brings lines in, writes them and does not read them back.
SET LOCAL ROLE lua_owner;
REVOKE SELECT ON lua.log_block FROM lua_admin, lua_operator;

ALTER TABLE lua.log_source ADD COLUMN clock_at timestamptz;
COMMENT ON COLUMN lua.log_source.clock_at IS 'When its clock was compared with UTC; null: never, and then nothing is known of clock_offset';
UPDATE lua.log_source SET clock_at = created_at WHERE clock_offset <> '0';
ALTER TABLE lua.log_source ADD CONSTRAINT log_source_clock CHECK (clock_at IS NOT NULL OR clock_offset = '0');
GRANT UPDATE (clock_at) ON lua.log_source TO lua_admin;
RESET ROLE;
