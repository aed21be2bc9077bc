-- Since when a table holds nothing readable: a certificate may claim cryptographic erase for nothing older.
SET LOCAL ROLE lua_owner;

CREATE TABLE lua.sealed_since (
    table_name    text PRIMARY KEY CHECK (table_name ~ '^[^.]+\..+$'),
    born_sealed   boolean NOT NULL,
    since         timestamptz,
    cleaned_at    timestamptz,
    backups_until timestamptz,
    noted_by      text NOT NULL DEFAULT session_user,
    CHECK (NOT born_sealed OR since IS NOT NULL),
    CHECK (since IS NOT NULL OR cleaned_at IS NOT NULL),
    CHECK (backups_until IS NULL OR backups_until >= cleaned_at)
);
COMMENT ON TABLE lua.sealed_since IS 'Since when nothing readable is written to a table, and when its readable past was cleaned up';
COMMENT ON COLUMN lua.sealed_since.born_sealed IS 'Made by a migration: nothing readable ever lay there';
COMMENT ON COLUMN lua.sealed_since.since IS 'From when on what is personal there is sealed; null: it still is in clear';
COMMENT ON COLUMN lua.sealed_since.cleaned_at IS 'When files, indexes, statistics and the log were last rid of what had been deleted';
COMMENT ON COLUMN lua.sealed_since.backups_until IS 'When the last backup from before the clean-up ends, by the retention that the profile states';

INSERT INTO lua.sealed_since (table_name, born_sealed, since)
SELECT t, true, coalesce((SELECT m.applied_at FROM lua.migration m WHERE m.version = 3), now())
FROM unnest(ARRAY['crm.subject', 'crm.contact', 'crm.contact_key', 'crm.interaction', 'crm.invoice', 'crm.invoice_line',
                  'lua.secret']) AS born(t);

-- Only a superuser writes here: whoever cleans up needs one anyway.
GRANT SELECT ON lua.sealed_since TO lua_admin, lua_operator, lua_responder, lua_auditor, lua_dpo, lua_accounting;
RESET ROLE;
