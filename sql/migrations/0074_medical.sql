-- Whether anybody here has medical secrets, so that s. 203(4) StGB should be required of everybody (docs/design/people.md).
SET LOCAL ROLE lua_owner;
-- Few people have keys of these classes: else each question would look at every key of every tenant.
CREATE INDEX slot_medical ON vault.slot (tenant_id) WHERE key_class IN (2, 4);
RESET ROLE;

CREATE FUNCTION lua.medical_tenants() RETURNS bigint
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = '' AS $$
    SELECT lua.require_time(now());
    SELECT count(*) FROM lua.reachable_tenant d
    WHERE EXISTS (SELECT FROM vault.slot s WHERE s.tenant_id = d.tenant_id AND s.key_class IN (2, 4))
       OR EXISTS (SELECT FROM crm.role r, unnest(r.permissions) AS p (given) JOIN lua.permission_object o ON o.object = split_part(p.given, '.', 1)
                  WHERE r.tenant_id = d.tenant_id AND o.sensitive)
$$;
COMMENT ON FUNCTION lua.medical_tenants IS
    'How many tenants have keys of the classes special or medical-record, or a role with a permission on such data';
ALTER FUNCTION lua.medical_tenants() OWNER TO lua_definer;
REVOKE ALL ON FUNCTION lua.medical_tenants() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION lua.medical_tenants() TO lua_admin, lua_operator, lua_responder, lua_auditor, lua_dpo, lua_accounting;
