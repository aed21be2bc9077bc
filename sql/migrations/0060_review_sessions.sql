-- A close ends the sessions that a suspension, or the loss of a role, would leave open: NOLOGIN keeps from coming again only, and
-- who has taken a role by SET ROLE keeps it until they go (docs/design/review.md).

-- Of a superuser, and one's own, it ends none.
CREATE FUNCTION lua.review_sessions(p_review uuid) RETURNS TABLE (login name, pid integer)
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = '' AS $$
    SELECT lua.require_review_office();
    SELECT DISTINCT a.usename, a.pid
    FROM lua.review_item i
    JOIN pg_catalog.pg_stat_activity a ON a.usename = i.login::name
    JOIN pg_catalog.pg_roles r ON r.oid = a.usesysid
    LEFT JOIN lua.review_decision d ON d.review_id = i.review_id AND d.decision_no = i.decision_no
    WHERE i.review_id = p_review AND a.pid <> pg_backend_pid() AND NOT r.rolsuper
      AND (i.outcome = 'suspended' AND NOT r.rolcanlogin
           -- Whoever ran into a lost connection has an hour to run the close again; nobody can use it against somebody for ever.
           OR i.outcome = 'done' AND i.kind = 'membership' AND d.target IS DISTINCT FROM 'no-admin'
              AND i.settled_at > clock_timestamp() - interval '1 hour')
    ORDER BY 1, 2
$$;
COMMENT ON FUNCTION lua.review_sessions IS 'Open sessions of logins that a review suspends, or has just taken a role from';

CREATE FUNCTION lua.end_review_sessions(p_review uuid) RETURNS bigint
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $$
DECLARE
    pids integer[] := ARRAY(SELECT s.pid FROM lua.review_sessions(p_review) AS s);
    patience timestamptz := clock_timestamp() + interval '5 seconds';
BEGIN
    PERFORM pg_terminate_backend(s.pid) FROM unnest(pids) AS s (pid);
    LOOP
        PERFORM pg_stat_clear_snapshot();
        EXIT WHEN clock_timestamp() > patience OR NOT EXISTS (SELECT FROM pg_catalog.pg_stat_activity a WHERE a.pid = ANY (pids));
        PERFORM pg_sleep(0.02);
    END LOOP;
    RETURN cardinality(pids);
END $$;
COMMENT ON FUNCTION lua.end_review_sessions IS 'Ends them, and waits until they are gone, five seconds at most; returns how many there were';

DO $owners$
DECLARE
    f regprocedure;
BEGIN
    FOREACH f IN ARRAY ARRAY['lua.review_sessions(uuid)', 'lua.end_review_sessions(uuid)']::regprocedure[] LOOP
        EXECUTE format('ALTER FUNCTION %s OWNER TO lua_definer', f);
        EXECUTE format('REVOKE ALL ON FUNCTION %s FROM PUBLIC', f);
        EXECUTE format('GRANT EXECUTE ON FUNCTION %s TO lua_admin, lua_dpo', f);
    END LOOP;
END
$owners$;
