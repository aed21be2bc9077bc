-- name: lock$
-- Waits for a lock that ends with the transaction.
SELECT pg_advisory_xact_lock(:key::bigint) IS NOT NULL;

-- name: try_lock$
-- Takes a lock that ends with the transaction, if it is free.
SELECT pg_try_advisory_xact_lock(:key::bigint);

-- name: holder$
-- The virtual id of this transaction, which has the lock: no other transaction ever gets the same. Without a parameter: a query
-- that has one keeps its snapshot until the next (it is the unnamed portal's), and a transaction that idles with a snapshot
-- keeps vacuum and every index scan of the server from what was deleted since.
SELECT virtualtransaction FROM pg_catalog.pg_locks
WHERE locktype = 'virtualxid' AND mode = 'ExclusiveLock' AND granted AND pid = pg_backend_pid();

-- name: is_held$
-- Whether that transaction has the lock still, in this database of this server.
SELECT EXISTS (
    SELECT FROM pg_catalog.pg_locks
    WHERE locktype = 'advisory' AND mode = 'ExclusiveLock' AND granted AND virtualtransaction = :holder::text
      AND database = (SELECT oid FROM pg_catalog.pg_database WHERE datname = current_database())
      AND classid::bigint = (:key::bigint >> 32) & 4294967295 AND objid::bigint = :key::bigint & 4294967295
      AND objsubid = 1
);

-- name: holders
-- Who has the lock of that key in this database: server process, login and the name that the program gave.
SELECT pid, usename::text, application_name FROM pg_catalog.pg_locks JOIN pg_catalog.pg_stat_activity USING (pid)
WHERE locktype = 'advisory' AND mode = 'ExclusiveLock' AND granted AND pid <> pg_backend_pid()
  AND database = (SELECT oid FROM pg_catalog.pg_database WHERE datname = current_database())
  AND classid::bigint = (:key::bigint >> 32) & 4294967295 AND objid::bigint = :key::bigint & 4294967295
  AND objsubid = 1;

-- name: writers
-- Who else has rows or tables of ours locked now, at most three: one of them may be who we waited for.
SELECT DISTINCT pid, usename::text, application_name
FROM pg_catalog.pg_locks AS l
JOIN pg_catalog.pg_stat_activity USING (pid)
JOIN pg_catalog.pg_class AS c ON c.oid = l.relation
JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
WHERE l.locktype = 'relation' AND l.granted AND l.mode <> 'AccessShareLock' AND pid <> pg_backend_pid()
  AND l.database = (SELECT oid FROM pg_catalog.pg_database WHERE datname = current_database())
  AND n.nspname IN ('lua', 'crm', 'vault', 'ledger')
ORDER BY pid
LIMIT 3;
