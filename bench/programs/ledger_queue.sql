-- Puts what lies there, and has no place in the log, into the queue for one, as appending would have done.
INSERT INTO ledger.pending (id, at, hash)
SELECT e.id, e.at, sha256('\x00'::bytea || e.body) FROM ledger.entry e
WHERE NOT EXISTS (SELECT FROM ledger.leaf l WHERE l.id = e.id)
ON CONFLICT DO NOTHING
