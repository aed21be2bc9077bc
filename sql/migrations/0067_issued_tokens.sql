-- Whoever sees somebody out ends the API tokens that they issued, of every tenant: of one that this login is not admitted to it
-- learns how many there are, and nothing else (docs/design/people.md).
CREATE FUNCTION lua.issued_tokens(p_person uuid, p_at timestamptz) RETURNS TABLE (slug text, name text, tokens bigint)
    LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = '' AS $$
BEGIN
    PERFORM lua.require_time(p_at);
    RETURN QUERY
    SELECT d.slug, n.name, count(*)
    FROM lua.person_login l JOIN lua.secret s ON s.created_by = l.login AND s.kind = 'token' AND s.revoked_at IS NULL AND s.expires_at > p_at
    JOIN lua.reachable_tenant d ON d.tenant_id = s.tenant_id
    CROSS JOIN LATERAL (
        SELECT CASE WHEN d.tenant_id < 1099511627776 OR pg_has_role(session_user, to_regrole('lua_t' || d.tenant_id || '_staff'), 'MEMBER')
                    THEN s.name END) AS n (name)
    WHERE l.person_id = p_person
    GROUP BY d.slug, n.name ORDER BY d.slug, n.name;
END $$;
COMMENT ON FUNCTION lua.issued_tokens IS
    'Tokens that work and that a person''s logins issued, by tenant and name; no name where session_user is not admitted';

-- Only of somebody who has left: so it ends nothing that anybody needs to know of.
CREATE FUNCTION lua.revoke_issued_tokens(p_person uuid, p_slug text, p_at timestamptz) RETURNS TABLE (tenant_id bigint, secret_id uuid)
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $$
BEGIN
    PERFORM lua.require_time(p_at);
    IF NOT EXISTS (SELECT FROM lua.person p WHERE p.person_id = p_person AND p.ended_at IS NOT NULL) THEN
        RAISE EXCEPTION 'only tokens of somebody who has left are revoked like this' USING ERRCODE = 'check_violation';
    END IF;
    RETURN QUERY UPDATE lua.secret s SET revoked_at = greatest(p_at, s.created_at, s.replaced_at), sealed = NULL
    FROM lua.reachable_tenant d, lua.person_login l
    WHERE d.slug = p_slug AND s.tenant_id = d.tenant_id AND l.person_id = p_person AND s.created_by = l.login
      AND s.kind = 'token' AND s.revoked_at IS NULL AND s.expires_at > p_at
    RETURNING s.tenant_id, s.secret_id;
END $$;
COMMENT ON FUNCTION lua.revoke_issued_tokens IS 'Ends the tokens of one tenant that somebody issued who has left; which ones, by their ids';

DO $owners$
DECLARE
    f regprocedure;
BEGIN
    FOREACH f IN ARRAY ARRAY['lua.issued_tokens(uuid, timestamptz)', 'lua.revoke_issued_tokens(uuid, text, timestamptz)']::regprocedure[] LOOP
        EXECUTE format('ALTER FUNCTION %s OWNER TO lua_definer', f);
        EXECUTE format('REVOKE ALL ON FUNCTION %s FROM PUBLIC', f);
        EXECUTE format('GRANT EXECUTE ON FUNCTION %s TO lua_admin', f);
    END LOOP;
END
$owners$;
