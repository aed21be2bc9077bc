-- While a tenant is suspended its data stand still: its users read and take along what is there, and change nothing.
CREATE OR REPLACE FUNCTION crm.decide(p_tenant bigint, p_user uuid, p_action text, p_object text)
    RETURNS TABLE (allowed boolean, why text, role text, permission text)
    LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = '' AS $$
DECLARE
    held text;
    standing text;
    actions text[];
BEGIN
    PERFORM lua.require_tenant(p_tenant);
    SELECT u.state, t.status INTO held, standing
    FROM crm.app_user u JOIN lua.tenant t ON t.tenant_id = p_tenant WHERE u.tenant_id = p_tenant AND u.user_id = p_user;
    SELECT o.actions INTO actions FROM lua.permission_object o WHERE o.object = p_object;
    allowed := false;
    IF held IS NULL THEN
        why := 'no such user';
    ELSIF held <> 'active' THEN
        why := 'user ' || held;
    ELSIF actions IS NULL THEN
        why := 'no such object';
    ELSIF p_action IS NULL OR p_action <> ALL (actions) THEN
        why := 'no such action';
    ELSIF standing <> 'active' AND p_action NOT IN ('read', 'export') THEN
        why := 'tenant ' || standing;
    ELSE
        SELECT g.gives, CASE WHEN g.named THEN 'named' WHEN g.gives THEN 'wildcard' ELSE 'sensitive: no wildcard gives it' END, g.role, g.permission
        INTO allowed, why, role, permission
        FROM crm.roles_giving(p_tenant, p_action, p_object) AS g
        JOIN crm.user_role h ON h.tenant_id = p_tenant AND h.user_id = p_user AND h.role = g.role
        ORDER BY g.gives DESC, g.named DESC, g.role, g.permission LIMIT 1;
        IF NOT FOUND THEN
            allowed := false;
            why := 'no role of the user gives it';
        END IF;
    END IF;
    RETURN NEXT;
END $$;
