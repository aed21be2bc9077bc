-- What is said of tables of customers' data, one text a line, however they are stored.
WITH t AS (SELECT c.oid, c.relname, c.relacl, c.relrowsecurity, c.relforcerowsecurity FROM pg_class c
           WHERE c.relnamespace = 'crm'::regnamespace AND c.relname = ANY (%s))
SELECT concat_ws(' ', relname, (SELECT string_agg(x::text, ' ' ORDER BY x::text) FROM unnest(relacl) AS x), relrowsecurity, relforcerowsecurity, obj_description(oid, 'pg_class')) FROM t
UNION ALL SELECT concat_ws(' ', relname, a.attname, a.attnum, format_type(a.atttypid, a.atttypmod), a.attnotnull, (SELECT string_agg(x::text, ' ' ORDER BY x::text) FROM unnest(a.attacl) AS x),
                           coalesce(a.attstattarget, -1), a.attstorage, pg_get_expr(d.adbin, d.adrelid), col_description(t.oid, a.attnum))
FROM t JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum > 0 LEFT JOIN pg_attrdef d ON d.adrelid = t.oid AND d.adnum = a.attnum
UNION ALL SELECT concat_ws(' ', relname, k.conname, pg_get_constraintdef(k.oid)) FROM t JOIN pg_constraint k ON k.conrelid = t.oid
WHERE k.contype IN ('c', 'p', 'u')
UNION ALL SELECT replace(pg_get_indexdef(i.indexrelid), ' ON ONLY ', ' ON ') FROM t JOIN pg_index i ON i.indrelid = t.oid
UNION ALL SELECT concat_ws(' ', relname, p.polname, p.polpermissive, p.polcmd, p.polroles::text) FROM t JOIN pg_policy p ON p.polrelid = t.oid
ORDER BY 1
