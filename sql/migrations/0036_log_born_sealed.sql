-- Bytes of log files were never kept in any other form than sealed.
SET LOCAL ROLE lua_owner;
INSERT INTO lua.sealed_since (table_name, born_sealed, since)
SELECT 'lua.log_block', true, coalesce((SELECT m.applied_at FROM lua.migration m WHERE m.name = 'log_ingest'), now());
RESET ROLE;
