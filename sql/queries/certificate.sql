-- What every certificate says of the system that it speaks of.

-- name: system^
-- Which cluster, database and tree this is, and how many receivers of its log are connected.
SELECT
    (SELECT system_identifier FROM pg_control_system())::text,
    current_database()::text,
    tree_id,
    (SELECT count(*) FROM pg_stat_replication)
FROM vault.tree;
