-- What is of the keys of all tenants at once, asked by a login that is elevated on one (docs/design/elevation.md).

-- All of them, or an error: with a part of them `key verify` would say of the tree what it has not seen.
CREATE OR REPLACE FUNCTION vault.claimed() RETURNS TABLE (tenant_id bigint, key_no bigint, space smallint, slot_no bigint)
    LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = '' AS $$
BEGIN
    IF lua.elevated_tenant() IS NOT NULL THEN
        RAISE EXCEPTION 'this is about all tenants, and % is for one', session_user USING ERRCODE = 'insufficient_privilege';
    END IF;
    RETURN QUERY
    SELECT s.tenant_id, d.key_no, CASE WHEN s.key_class > 2 THEN 2 ELSE 1 END::smallint, s.slot_no
    FROM vault.slot s LEFT JOIN lua.tenant_directory d ON d.tenant_id = s.tenant_id
    UNION ALL
    SELECT p.tenant_id, d.key_no, CASE WHEN p.period_id >> 24 IN (3, 5) THEN 4 ELSE 3 END::smallint, p.slot_no
    FROM vault.period p LEFT JOIN lua.tenant_directory d ON d.tenant_id = p.tenant_id;
END $$;

-- Whoever ends a release or rotates renews the keys that nobody was given, and knows by these numbers which. Without those of
-- another tenant its living keys would be taken for such, and its rows lost: an elevated login gets them all, too.
CREATE OR REPLACE FUNCTION vault.numbers() RETURNS TABLE (key_no bigint, space smallint, next_no bigint)
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = '' AS $$
    SELECT lua.elevated_tenant();
    SELECT d.key_no, c.space, c.next_no
    FROM vault.counter c JOIN lua.tenant_directory d ON d.tenant_id = c.tenant_id
$$;
