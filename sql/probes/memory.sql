-- name: tables
-- Tables and partitions of the ledger, and the column of each that matters most.
SELECT c.oid::regclass::text, quote_ident(a.attname)
FROM pg_catalog.pg_class c
JOIN LATERAL (SELECT u.attname FROM pg_catalog.pg_attribute u
              WHERE u.attrelid = c.oid AND u.attnum > 0 AND NOT u.attisdropped
              ORDER BY u.attname IN ('body', 'hash', 'note', 'vkey') DESC, u.attnum LIMIT 1) AS a ON true
WHERE c.relnamespace = 'ledger'::regnamespace AND c.relkind IN ('r', 'p')
ORDER BY 1;
