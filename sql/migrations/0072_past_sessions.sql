-- Sessions of the past come along with a tenant's data: all of a batch at once.
DROP FUNCTION crm.keep_past_session(bigint, uuid, uuid, text, timestamptz, timestamptz, timestamptz);
CREATE FUNCTION crm.keep_past_sessions(
    p_tenant bigint, p_sessions uuid[], p_subjects uuid[], p_networks text[], p_since timestamptz[], p_seen timestamptz[], p_ended timestamptz[]
) RETURNS bigint LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $$
DECLARE
    kept bigint;
BEGIN
    PERFORM lua.require_tenant(p_tenant), lua.require_time((SELECT max(e.at) FROM unnest(p_ended) AS e (at)));
    INSERT INTO crm.user_session (tenant_id, session_id, user_id, hash, network, since, seen_at, ends_at, ended_at, ended_why)
    SELECT p_tenant, s.session_id, u.user_id, sha256(uuid_send(gen_random_uuid())), s.network::cidr, s.since, s.seen_at,
           greatest(s.ended_at, s.since + interval '1 second'), s.ended_at, 'past'
    FROM unnest(p_sessions, p_subjects, p_networks, p_since, p_seen, p_ended) AS s (session_id, subject_id, network, since, seen_at, ended_at)
    JOIN crm.app_user u ON u.tenant_id = p_tenant AND u.subject_id = s.subject_id
    ON CONFLICT DO NOTHING;
    GET DIAGNOSTICS kept = ROW_COUNT;
    RETURN kept;
END $$;
COMMENT ON FUNCTION crm.keep_past_sessions IS 'Sessions that are over already, of the users that people are, as an export has them; how many were not known';

DO $owners$
DECLARE
    f regprocedure := 'crm.keep_past_sessions(bigint, uuid[], uuid[], text[], timestamptz[], timestamptz[], timestamptz[])';
BEGIN
    EXECUTE format('ALTER FUNCTION %s OWNER TO lua_definer', f);
    EXECUTE format('REVOKE ALL ON FUNCTION %s FROM PUBLIC', f);
    EXECUTE format('GRANT EXECUTE ON FUNCTION %s TO lua_operator', f);
END
$owners$;
