-- Sessions of the CRM's users: begun by the CRM alone, seen at each request, gone after ninety days; and what an erasure, the end
-- of a tenant and a token must know of users (docs/how-to/users-of-the-crm.md).
CREATE FUNCTION crm.start_session(
    p_tenant bigint, p_session uuid, p_user uuid, p_hash bytea, p_address text, p_ends timestamptz, p_at timestamptz
) RETURNS boolean LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $$
BEGIN
    PERFORM lua.require_tenant(p_tenant), lua.require_time(p_at);
    PERFORM FROM crm.app_user u WHERE u.tenant_id = p_tenant AND u.user_id = p_user AND u.state = 'active' FOR SHARE;
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    INSERT INTO crm.user_session (tenant_id, session_id, user_id, hash, network, since, seen_at, ends_at)
    VALUES (p_tenant, p_session, p_user, p_hash,
            network(set_masklen(p_address::inet, CASE family(p_address::inet) WHEN 4 THEN 24 ELSE 48 END)), p_at, p_at, p_ends);
    RETURN true;
END $$;
COMMENT ON FUNCTION crm.start_session IS 'A session begins; the address is cut to its network here. False: no such active user';

-- Asked at each request. The time of last use is kept to the minute, and waits for nobody.
CREATE FUNCTION crm.see_session(p_tenant bigint, p_hash bytea, p_at timestamptz) RETURNS uuid
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $$
DECLARE
    found record;
BEGIN
    PERFORM lua.require_tenant(p_tenant), lua.require_time(p_at);
    SELECT s.session_id, s.user_id, s.seen_at INTO found
    FROM crm.user_session s JOIN crm.app_user u ON u.tenant_id = p_tenant AND u.user_id = s.user_id AND u.state = 'active'
    WHERE s.tenant_id = p_tenant AND s.hash = p_hash AND s.ended_at IS NULL AND s.ends_at > greatest(p_at, now());
    UPDATE crm.user_session s SET seen_at = p_at
    FROM (SELECT l.session_id FROM crm.user_session l
          WHERE l.tenant_id = p_tenant AND l.session_id = found.session_id AND l.seen_at <= p_at - interval '1 minute'
          FOR UPDATE SKIP LOCKED) AS stale
    WHERE s.tenant_id = p_tenant AND s.session_id = stale.session_id;
    RETURN found.user_id;
END $$;
COMMENT ON FUNCTION crm.see_session IS 'Whose session a token is, if it is good now; null: nobody''s. Records that it was used';

CREATE FUNCTION crm.end_session(p_tenant bigint, p_hash bytea, p_why text, p_at timestamptz) RETURNS uuid
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $$
DECLARE
    whose uuid;
BEGIN
    PERFORM lua.require_tenant(p_tenant), lua.require_time(p_at);
    UPDATE crm.user_session s SET ended_at = greatest(p_at, s.since), ended_why = p_why
    WHERE s.tenant_id = p_tenant AND s.hash = p_hash AND s.ended_at IS NULL RETURNING s.user_id INTO whose;
    RETURN whose;
END $$;
COMMENT ON FUNCTION crm.end_session IS 'Ends one session at once; whose it was, null: it was over already';

-- Sessions of the past come along with a tenant's data; nobody can use one.
CREATE FUNCTION crm.keep_past_session(
    p_tenant bigint, p_session uuid, p_user uuid, p_network text, p_since timestamptz, p_seen timestamptz, p_ended timestamptz
) RETURNS boolean LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $$
BEGIN
    PERFORM lua.require_tenant(p_tenant), lua.require_time(p_ended);
    INSERT INTO crm.user_session (tenant_id, session_id, user_id, hash, network, since, seen_at, ends_at, ended_at, ended_why)
    VALUES (p_tenant, p_session, p_user, sha256(uuid_send(gen_random_uuid())), p_network::cidr, p_since, p_seen,
            greatest(p_ended, p_since + interval '1 second'), p_ended, 'past')
    ON CONFLICT DO NOTHING;
    RETURN FOUND;
END $$;
COMMENT ON FUNCTION crm.keep_past_session IS 'A session that is over already, as an export of the tenant has it; false: it is known';

-- Ninety days show what a stranger did with a session that was taken; after that nobody needs to know when somebody worked.
CREATE FUNCTION crm.sessions_due(p_tenant bigint, p_at timestamptz) RETURNS bigint
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = '' AS $$
    SELECT lua.require_tenant(p_tenant);
    SELECT count(*) FROM crm.user_session s JOIN crm.app_user u ON u.tenant_id = p_tenant AND u.user_id = s.user_id
    WHERE s.tenant_id = p_tenant AND coalesce(s.ended_at, s.ends_at) <= p_at - interval '90 days'
      AND NOT EXISTS (SELECT FROM lua.holds_on(p_tenant, ARRAY[u.subject_id]));
$$;
COMMENT ON FUNCTION crm.sessions_due IS 'How many sessions of a tenant are over for 90 days, those of people on legal hold left out';

CREATE FUNCTION crm.purge_sessions(p_tenant bigint, p_at timestamptz) RETURNS bigint
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $$
DECLARE
    gone bigint;
BEGIN
    PERFORM lua.require_tenant(p_tenant), lua.require_time(p_at), lua.keep_holds(p_tenant);
    DELETE FROM crm.user_session s USING crm.app_user u
    WHERE s.tenant_id = p_tenant AND coalesce(s.ended_at, s.ends_at) <= p_at - interval '90 days'
      AND u.tenant_id = p_tenant AND u.user_id = s.user_id
      AND NOT EXISTS (SELECT FROM lua.holds_on(p_tenant, ARRAY[u.subject_id]));
    GET DIAGNOSTICS gone = ROW_COUNT;
    RETURN gone;
END $$;
COMMENT ON FUNCTION crm.purge_sessions IS 'Deletes them; how many';

-- As before, and who is erased is no user any more: their tokens end, their sessions and roles go.
CREATE OR REPLACE FUNCTION crm.mark_erased(p_tenant bigint, p_subjects uuid[], p_at timestamptz) RETURNS bigint
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $$
DECLARE
    marked bigint;
BEGIN
    PERFORM lua.require_tenant(p_tenant), lua.require_time(p_at), lua.keep_holds(p_tenant);
    IF EXISTS (SELECT FROM lua.holds_on(p_tenant, p_subjects)) THEN
        RAISE EXCEPTION 'one of these people is held' USING ERRCODE = 'check_violation';
    END IF;
    UPDATE crm.subject SET status = 'erased', personal = NULL, erased_at = p_at, updated_at = p_at
    WHERE tenant_id = p_tenant AND subject_id = ANY (p_subjects) AND status = 'active';
    GET DIAGNOSTICS marked = ROW_COUNT;
    UPDATE lua.request r SET personal = NULL, noted = false, subject_id = CASE WHEN r.closed_at IS NULL THEN r.subject_id END
    WHERE r.tenant_id = p_tenant AND r.subject_id = ANY (p_subjects);
    PERFORM lua.revoke_secrets(p_tenant, ARRAY(
        SELECT k.secret_id FROM crm.user_token k JOIN crm.app_user u ON u.tenant_id = p_tenant AND u.user_id = k.user_id
        WHERE k.tenant_id = p_tenant AND u.subject_id = ANY (p_subjects)), p_at);
    DELETE FROM crm.user_token k USING crm.app_user u
    WHERE k.tenant_id = p_tenant AND u.tenant_id = p_tenant AND u.user_id = k.user_id AND u.subject_id = ANY (p_subjects);
    DELETE FROM crm.user_session k USING crm.app_user u
    WHERE k.tenant_id = p_tenant AND u.tenant_id = p_tenant AND u.user_id = k.user_id AND u.subject_id = ANY (p_subjects);
    DELETE FROM crm.user_role k USING crm.app_user u
    WHERE k.tenant_id = p_tenant AND u.tenant_id = p_tenant AND u.user_id = k.user_id AND u.subject_id = ANY (p_subjects);
    DELETE FROM crm.app_user u WHERE u.tenant_id = p_tenant AND u.subject_id = ANY (p_subjects);
    RETURN marked;
END $$;

-- As before, with users and what hangs on them.
CREATE OR REPLACE FUNCTION lua.processed_rows(p_tenant bigint) RETURNS TABLE (table_name text, row_count bigint)
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = '' AS $$
    SELECT lua.require_tenant(p_tenant);
    SELECT r.table_name, r.row_count FROM (
        SELECT -3, 'crm.user_token', (SELECT count(*) FROM crm.user_token d WHERE d.tenant_id = p_tenant)
        UNION ALL SELECT -2, 'crm.user_session', (SELECT count(*) FROM crm.user_session d WHERE d.tenant_id = p_tenant)
        UNION ALL SELECT -1, 'crm.user_role', (SELECT count(*) FROM crm.user_role d WHERE d.tenant_id = p_tenant)
        UNION ALL SELECT 0, 'crm.app_user', (SELECT count(*) FROM crm.app_user d WHERE d.tenant_id = p_tenant)
        UNION ALL SELECT 1, 'crm.invoice_line', (SELECT count(*) FROM crm.invoice_line d WHERE d.tenant_id = p_tenant)
        UNION ALL SELECT 2, 'crm.invoice', (SELECT count(*) FROM crm.invoice d WHERE d.tenant_id = p_tenant)
        UNION ALL SELECT 3, 'crm.interaction', (SELECT count(*) FROM crm.interaction d WHERE d.tenant_id = p_tenant)
        UNION ALL SELECT 4, 'crm.contact_key', (SELECT count(*) FROM crm.contact_key d WHERE d.tenant_id = p_tenant)
        UNION ALL SELECT 5, 'crm.contact', (SELECT count(*) FROM crm.contact d WHERE d.tenant_id = p_tenant)
        UNION ALL SELECT 6, 'lua.hold', (SELECT count(*) FROM lua.hold d WHERE d.tenant_id = p_tenant)
        UNION ALL SELECT 7, 'lua.request', (SELECT count(*) FROM lua.request d WHERE d.tenant_id = p_tenant)
        UNION ALL SELECT 8, 'crm.subject', (SELECT count(*) FROM crm.subject d WHERE d.tenant_id = p_tenant)
        UNION ALL SELECT 9, 'crm.role', (SELECT count(*) FROM crm.role d WHERE d.tenant_id = p_tenant)
        UNION ALL SELECT 10, 'lua.secret', (SELECT count(*) FROM lua.secret d WHERE d.tenant_id = p_tenant)
        UNION ALL SELECT 11, 'lua.token_directory', (SELECT count(*) FROM lua.token_directory d WHERE d.tenant_id = p_tenant)
        UNION ALL SELECT 12, 'lua.erasure_plan', (SELECT count(*) FROM lua.erasure_plan d WHERE d.tenant_id = p_tenant)
    ) AS r (no, table_name, row_count)
    ORDER BY r.no;
$$;

CREATE OR REPLACE FUNCTION lua.take_rows(p_tenant bigint) RETURNS TABLE (table_name text, taken bigint)
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $$
BEGIN
    PERFORM lua.require_tenant(p_tenant);
    IF NOT EXISTS (SELECT FROM lua.termination t WHERE t.tenant_id = p_tenant AND t.state = 'intent') THEN
        RAISE EXCEPTION 'tenant % does not end', p_tenant USING ERRCODE = 'check_violation';
    END IF;
    SELECT r.table_name INTO table_name FROM lua.processed_rows(p_tenant) WITH ORDINALITY AS r (table_name, row_count, no)
    WHERE r.row_count > 0 ORDER BY r.no LIMIT 1;
    CASE table_name
        WHEN 'crm.user_token' THEN DELETE FROM crm.user_token d WHERE d.tenant_id = p_tenant;
        WHEN 'crm.user_session' THEN DELETE FROM crm.user_session d WHERE d.tenant_id = p_tenant;
        WHEN 'crm.user_role' THEN DELETE FROM crm.user_role d WHERE d.tenant_id = p_tenant;
        WHEN 'crm.app_user' THEN DELETE FROM crm.app_user d WHERE d.tenant_id = p_tenant;
        WHEN 'crm.invoice_line' THEN DELETE FROM crm.invoice_line d WHERE d.tenant_id = p_tenant;
        WHEN 'crm.invoice' THEN DELETE FROM crm.invoice d WHERE d.tenant_id = p_tenant;
        WHEN 'crm.interaction' THEN DELETE FROM crm.interaction d WHERE d.tenant_id = p_tenant;
        WHEN 'crm.contact_key' THEN DELETE FROM crm.contact_key d WHERE d.tenant_id = p_tenant;
        WHEN 'crm.contact' THEN DELETE FROM crm.contact d WHERE d.tenant_id = p_tenant;
        WHEN 'lua.hold' THEN DELETE FROM lua.hold d WHERE d.tenant_id = p_tenant;
        WHEN 'lua.request' THEN DELETE FROM lua.request d WHERE d.tenant_id = p_tenant;
        WHEN 'crm.subject' THEN DELETE FROM crm.subject d WHERE d.tenant_id = p_tenant;
        WHEN 'crm.role' THEN DELETE FROM crm.role d WHERE d.tenant_id = p_tenant;
        WHEN 'lua.secret' THEN DELETE FROM lua.secret d WHERE d.tenant_id = p_tenant;
        WHEN 'lua.token_directory' THEN DELETE FROM lua.token_directory d WHERE d.tenant_id = p_tenant;
        WHEN 'lua.erasure_plan' THEN DELETE FROM lua.erasure_plan d WHERE d.tenant_id = p_tenant;
        ELSE RETURN;
    END CASE;
    GET DIAGNOSTICS taken = ROW_COUNT;
    RETURN NEXT;
END $$;

-- As before, and not for somebody whose user is locked.
CREATE OR REPLACE FUNCTION lua.check_token(p_hash bytea, p_at timestamptz)
    RETURNS TABLE (tenant_id bigint, secret_id uuid, name text, scopes text[], expires_at timestamptz)
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $$
DECLARE
    moment timestamptz := greatest(p_at, now());
    becoming text := CASE WHEN current_setting('server_version_num')::integer >= 160000 THEN 'SET' ELSE 'MEMBER' END;
    found lua.secret;
BEGIN
    PERFORM lua.require_time(p_at);
    SELECT s.* INTO found
    FROM lua.token_directory d
    JOIN lua.secret s ON s.tenant_id = d.tenant_id AND s.secret_id = d.secret_id
    JOIN lua.tenant t ON t.tenant_id = d.tenant_id
    WHERE d.hash = p_hash AND s.revoked_at IS NULL AND s.expires_at > moment AND t.status = 'active'
      -- The rule of lua.require_tenant, as an answer instead of an error.
      AND CASE WHEN d.tenant_id < 1099511627776 THEN session_user !~ '^lua_t[0-9]'
               ELSE pg_has_role(session_user, to_regrole('lua_t' || d.tenant_id), becoming) END;
    -- A user's own token is good as long as the user is.
    IF EXISTS (SELECT FROM crm.user_token k JOIN crm.app_user u ON u.tenant_id = k.tenant_id AND u.user_id = k.user_id
               WHERE k.tenant_id = found.tenant_id AND k.secret_id = found.secret_id AND u.state <> 'active') THEN
        RETURN;
    END IF;
    UPDATE lua.secret u SET last_used_at = moment
    FROM (SELECT l.secret_id FROM lua.secret l
          WHERE l.tenant_id = found.tenant_id AND l.secret_id = found.secret_id
            AND (l.last_used_at IS NULL OR l.last_used_at <= moment - interval '1 minute')
          FOR UPDATE SKIP LOCKED) AS stale
    WHERE u.tenant_id = found.tenant_id AND u.secret_id = stale.secret_id;
    RETURN QUERY SELECT found.tenant_id, found.secret_id, found.name, found.scopes, found.expires_at
                 WHERE found.secret_id IS NOT NULL;
END $$;

DO $owners$
DECLARE
    f regprocedure;
    signing regprocedure[] := ARRAY[
        'crm.start_session(bigint, uuid, uuid, bytea, text, timestamptz, timestamptz)',
        'crm.see_session(bigint, bytea, timestamptz)',
        'crm.end_session(bigint, bytea, text, timestamptz)'];
    counting regprocedure[] := ARRAY['crm.sessions_due(bigint, timestamptz)'];
    importing regprocedure[] := ARRAY['crm.keep_past_session(bigint, uuid, uuid, text, timestamptz, timestamptz, timestamptz)'];
    purging regprocedure[] := ARRAY['crm.purge_sessions(bigint, timestamptz)'];
BEGIN
    FOREACH f IN ARRAY signing || counting || importing || purging LOOP
        EXECUTE format('ALTER FUNCTION %s OWNER TO lua_definer', f);
        EXECUTE format('REVOKE ALL ON FUNCTION %s FROM PUBLIC', f);
        EXECUTE format('GRANT EXECUTE ON FUNCTION %s TO %s', f, CASE
            -- Whoever could begin a session could be that user: the CRM alone.
            WHEN f = ANY (signing) THEN 'lua_app'
            WHEN f = ANY (counting) THEN 'lua_admin, lua_operator, lua_responder, lua_auditor, lua_dpo'
            WHEN f = ANY (importing) THEN 'lua_operator'
            ELSE 'lua_operator, lua_dpo' END);
    END LOOP;
END
$owners$;
