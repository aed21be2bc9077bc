-- The one policy (docs/reference/roles.md): a pooled tenant by the setting, a dedicated one by its own login role.
-- Written as a loop over every table with a tenant_id that is not a directory, so that no table can be forgotten;
-- a test compares the catalog with the rule.
SET LOCAL ROLE lua_owner;
DO $isolation$
DECLARE
    t regclass;
BEGIN
    FOR t IN
        SELECT c.oid FROM pg_catalog.pg_class c JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid
        WHERE c.relnamespace IN ('lua'::regnamespace, 'crm'::regnamespace, 'vault'::regnamespace)
          AND c.relkind IN ('r', 'p') AND a.attname = 'tenant_id' AND NOT a.attisdropped
          AND c.oid NOT IN ('lua.tenant_directory'::regclass, 'vault.counter'::regclass)
    LOOP
        EXECUTE format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY', t);
        EXECUTE format('ALTER TABLE %s FORCE ROW LEVEL SECURITY', t);
        EXECUTE format($policy$CREATE POLICY tenant ON %s
            USING (tenant_id = nullif(current_setting('lua.tenant_id', true), '')::bigint
                   AND ((tenant_id < 1099511627776 AND current_user !~ '^lua_t[0-9]')
                        OR current_user = 'lua_t' || tenant_id))$policy$, t);
    END LOOP;
END
$isolation$;

-- Beside the one permissive policy: what only a duty keeps is for bookkeeping alone.
CREATE POLICY retained ON crm.invoice AS RESTRICTIVE
    USING (retained_at IS NULL OR pg_has_role(current_user, 'lua_accounting', 'USAGE'));
CREATE POLICY retained ON crm.invoice_line AS RESTRICTIVE
    USING (retained_at IS NULL OR pg_has_role(current_user, 'lua_accounting', 'USAGE'));
