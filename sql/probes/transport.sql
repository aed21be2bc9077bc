-- name: sessions
-- Sessions that came over the network, with their TLS version. Version and address of others' sessions show to
-- members of pg_read_all_stats alone; `visible` says whether this login may see them.
SELECT a.pid, coalesce(s.ssl, false), s.version,
       a.usename = current_user OR pg_has_role(a.usesysid, 'USAGE') OR pg_has_role('pg_read_all_stats', 'USAGE') AS visible
FROM pg_catalog.pg_stat_activity a
LEFT JOIN pg_catalog.pg_stat_ssl s ON s.pid = a.pid
LEFT JOIN pg_catalog.pg_stat_replication r ON r.pid = a.pid
WHERE (a.backend_type IN ('client backend', 'walsender')
       OR a.backend_type IS NULL AND (a.datid IS NOT NULL OR r.pid IS NOT NULL))  -- null: not visible
  AND (a.client_port IS NULL OR a.client_port <> -1)
ORDER BY a.pid;
