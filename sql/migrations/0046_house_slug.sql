-- The house's own keys hang in the tree under a number and a slug that no tenant ever gets (docs/design/log.md).
SET LOCAL ROLE lua_owner;
ALTER TABLE lua.tenant_directory ADD CONSTRAINT house
    CHECK ((slug = 'lua-crm-itself') = (tenant_id = 1099511627775));
ALTER TABLE lua.tenant ADD CONSTRAINT house CHECK (tenant_id <> 1099511627775);
ALTER SEQUENCE lua.pooled_tenant MAXVALUE 1099511627774;
RESET ROLE;
