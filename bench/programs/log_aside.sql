-- What drops and what makes anew each check and each index, but for the primary key, of the ledger's entries.
SELECT format('ALTER TABLE ledger.entry DROP CONSTRAINT %I', conname),
       format('ALTER TABLE ledger.entry ADD CONSTRAINT %I %s NOT VALID', conname, pg_get_constraintdef(oid))
FROM pg_constraint WHERE conrelid = 'ledger.entry'::regclass AND contype = 'c'
UNION ALL
SELECT format('DROP INDEX %s', indexrelid::regclass), replace(pg_get_indexdef(indexrelid), ' ON ONLY ', ' ON ')
FROM pg_index WHERE indrelid = 'ledger.entry'::regclass AND NOT indisprimary
