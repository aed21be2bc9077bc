-- name: sealed_since^
-- What is known about the readable past of one table.
SELECT table_name, born_sealed, since, cleaned_at, backups_until
FROM lua.sealed_since WHERE table_name = :table::text;
