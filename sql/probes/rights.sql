-- name: relations
-- Tables, partitions, views and sequences of the house, with their columns.
SELECT c.oid::regclass::text, c.relkind::text,
       ARRAY(SELECT a.attname::text FROM pg_catalog.pg_attribute a
             WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum)
FROM pg_catalog.pg_class c
WHERE c.relnamespace::regnamespace::text IN ('lua', 'crm', 'ledger', 'vault')
  AND c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S')
ORDER BY 1;

-- name: functions
-- Functions of the house: signature, name, types of the arguments.
SELECT p.oid::regprocedure::text, format('%%I.%%I', p.pronamespace::regnamespace, p.proname),
       ARRAY(SELECT format_type(t, NULL) FROM unnest(p.proargtypes) AS t)
FROM pg_catalog.pg_proc p
WHERE p.pronamespace::regnamespace::text IN ('lua', 'crm', 'ledger', 'vault')
ORDER BY 1;
