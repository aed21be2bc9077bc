-- What was granted past the group roles: found in the catalog, and taken back by the owner's own function (docs/design/state.md).
SET LOCAL ROLE lua_owner;

-- Rights on objects belong to group roles alone, and to nobody for good: what others have, PUBLIC among them, what somebody may
-- pass on, and what default privileges would give. Each with the statement that takes it back. A grant that somebody passed
-- on hangs on theirs: the owner takes that back, or gives it first, since nobody else's grant can be revoked.
CREATE FUNCTION lua.stray_grants() RETURNS TABLE (
    object text, grantee text, privilege text, passes_on boolean, grantor text, owner text, statement text
) LANGUAGE sql STABLE SET search_path = '' AS $$
    WITH role AS (
        SELECT r.oid, r.rolname, quote_ident(r.rolname) AS quoted,
               r.rolname ~ '^lua_(admin|operator|responder|auditor|dpo|accounting|app|ai|elevated|owner|definer|rolekeeper)$' AS is_house,
               r.rolname ~ '^pg_' AS is_predefined
        FROM pg_catalog.pg_roles r
        UNION ALL SELECT 0, 'PUBLIC', 'PUBLIC', false, false
    ), space AS (
        SELECT n.oid, n.nspname, n.nspowner, n.nspacl, n.nspname IN ('lua', 'crm', 'ledger', 'vault', 'public') AS is_closed,
               n.nspname IN ('pg_catalog', 'information_schema') AS is_system
        FROM pg_catalog.pg_namespace n WHERE n.nspname !~ '^pg_(toast|temp)'
    ), acl (is_closed, target, col, owner, items) AS (
        SELECT s.is_closed, format('%s %I.%I', CASE c.relkind WHEN 'S' THEN 'SEQUENCE' ELSE 'TABLE' END, s.nspname, c.relname), '', c.relowner, c.relacl
        FROM pg_catalog.pg_class c JOIN space s ON s.oid = c.relnamespace WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S')
        UNION ALL
        SELECT s.is_closed, format('TABLE %I.%I', s.nspname, c.relname), format(' (%I)', a.attname), c.relowner, a.attacl
        FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_class c ON c.oid = a.attrelid JOIN space s ON s.oid = c.relnamespace
        WHERE a.attacl IS NOT NULL AND a.attnum > 0 AND NOT a.attisdropped AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
        UNION ALL
        SELECT s.is_closed AND s.nspname <> 'public', format('ROUTINE %I.%I(%s)', s.nspname, p.proname, pg_get_function_identity_arguments(p.oid)),
               '', p.proowner, coalesce(p.proacl, acldefault('f', p.proowner))
        FROM pg_catalog.pg_proc p JOIN space s ON s.oid = p.pronamespace WHERE p.proacl IS NOT NULL OR s.is_closed
        UNION ALL
        SELECT s.is_closed, format('SCHEMA %I', s.nspname), '', s.nspowner, coalesce(s.nspacl, acldefault('n', s.nspowner)) FROM space s
        UNION ALL
        SELECT true, format('DATABASE %I', d.datname), '', d.datdba, coalesce(d.datacl, acldefault('d', d.datdba))
        FROM pg_catalog.pg_database d WHERE d.datname = current_database()
        UNION ALL
        SELECT true, 'LARGE OBJECT ' || l.oid, '', l.lomowner, l.lomacl FROM pg_catalog.pg_largeobject_metadata l
        UNION ALL
        SELECT false, format('TYPE %I.%I', s.nspname, t.typname), '', t.typowner, t.typacl
        FROM pg_catalog.pg_type t JOIN space s ON s.oid = t.typnamespace WHERE t.typacl IS NOT NULL
        UNION ALL
        SELECT true, format('TABLESPACE %I', t.spcname), '', t.spcowner, t.spcacl FROM pg_catalog.pg_tablespace t
        UNION ALL
        SELECT false, format('LANGUAGE %I', l.lanname), '', l.lanowner, l.lanacl FROM pg_catalog.pg_language l
        UNION ALL
        SELECT true, format('FOREIGN SERVER %I', f.srvname), '', f.srvowner, f.srvacl FROM pg_catalog.pg_foreign_server f
        UNION ALL
        SELECT true, format('FOREIGN DATA WRAPPER %I', w.fdwname), '', w.fdwowner, w.fdwacl FROM pg_catalog.pg_foreign_data_wrapper w
        UNION ALL
        SELECT true, 'PARAMETER ' || p.parname, '', 10, p.paracl FROM pg_catalog.pg_parameter_acl p
    ), item AS MATERIALIZED (
        SELECT a.is_closed, a.target, a.col, a.owner, x.grantee, x.grantor, x.privilege_type, x.is_grantable
        FROM acl a CROSS JOIN LATERAL aclexplode(a.items) AS x WHERE x.grantee <> a.owner
    ), stray AS (
        SELECT i.*, g.rolname AS who, g.quoted AS who_quoted, g.is_house, b.rolname AS by_name, b.quoted AS by_quoted, b.is_house AS by_house,
               i.privilege_type || i.col AS what,
               EXISTS (SELECT FROM item h WHERE h.target = i.target AND h.col = i.col AND h.privilege_type = i.privilege_type
                       AND h.grantee = i.grantor AND h.grantor = i.owner) AS by_holds,
               EXISTS (SELECT FROM item h WHERE h.target = i.target AND h.col = i.col AND h.privilege_type = i.privilege_type
                       AND h.grantee = i.grantor AND h.grantor = i.owner AND h.is_grantable) AS by_passes_on
        FROM item i JOIN role g ON g.oid = i.grantee JOIN role b ON b.oid = i.grantor
        WHERE CASE WHEN i.grantee = 0 THEN i.is_closed WHEN g.is_house THEN i.is_grantable OR i.grantor <> i.owner ELSE NOT g.is_predefined END
    ), said AS (
        SELECT s.target AS object, s.who, s.what, s.is_grantable, s.by_name, o.rolname AS owner,
               CASE WHEN s.grantor = s.owner
                    THEN format('REVOKE %s%s ON %s FROM %s%s', CASE WHEN s.is_house THEN 'GRANT OPTION FOR ' ELSE '' END, s.what, s.target, s.who_quoted,
                                CASE WHEN s.is_grantable THEN ' CASCADE' ELSE '' END)
                    ELSE CASE WHEN s.by_passes_on THEN '' ELSE format('GRANT %s ON %s TO %s WITH GRANT OPTION; ', s.what, s.target, s.by_quoted) END
                         || format('REVOKE %s%s ON %s FROM %s CASCADE', CASE WHEN s.by_house AND s.by_holds THEN 'GRANT OPTION FOR ' ELSE '' END,
                                   s.what, s.target, s.by_quoted) END AS statement
        FROM stray s JOIN role o ON o.oid = s.owner
    ), preset AS (
        SELECT d.defaclrole, d.defaclnamespace, x.grantee, x.privilege_type, x.is_grantable, d.defaclobjtype,
               CASE d.defaclobjtype WHEN 'r' THEN 'TABLES' WHEN 'S' THEN 'SEQUENCES' WHEN 'f' THEN 'FUNCTIONS' WHEN 'T' THEN 'TYPES'
                                    WHEN 'n' THEN 'SCHEMAS' ELSE 'LARGE OBJECTS' END AS kind
        FROM pg_catalog.pg_default_acl d CROSS JOIN LATERAL aclexplode(d.defaclacl) AS x
        UNION ALL                 -- what is built in as long as nobody said otherwise
        SELECT r.oid, 0, 0, 'EXECUTE', false, 'f', 'FUNCTIONS' FROM role r
        WHERE r.rolname IN ('lua_owner', 'lua_definer')
          AND NOT EXISTS (SELECT FROM pg_catalog.pg_default_acl d WHERE d.defaclrole = r.oid AND d.defaclnamespace = 0 AND d.defaclobjtype = 'f')
    )
    SELECT s.object, s.who::text, s.what, s.is_grantable, s.by_name::text, s.owner::text, s.statement FROM said s
    UNION ALL
    SELECT 'default for ' || lower(p.kind) || coalesce(' in schema ' || quote_ident(n.nspname), ''), g.rolname::text, p.privilege_type, p.is_grantable,
           c.rolname::text, c.rolname::text,
           format('ALTER DEFAULT PRIVILEGES FOR ROLE %s%s REVOKE %s ON %s FROM %s', c.quoted, coalesce(' IN SCHEMA ' || quote_ident(n.nspname), ''),
                  p.privilege_type, p.kind, g.quoted)
    FROM preset p JOIN role c ON c.oid = p.defaclrole JOIN role g ON g.oid = p.grantee
    LEFT JOIN pg_catalog.pg_namespace n ON n.oid = p.defaclnamespace
    WHERE p.grantee <> p.defaclrole
      AND (p.grantee <> 0 OR p.defaclnamespace <> 0 OR c.is_house OR p.defaclobjtype NOT IN ('f', 'T'))
      AND NOT (p.grantee = 0 AND p.defaclobjtype = 'T' AND p.defaclnamespace = 0)
    ORDER BY 1, 2, 3, 7
$$;
COMMENT ON FUNCTION lua.stray_grants IS 'Rights that are not a group role''s, or that may be passed on, or that objects to come would give; with what takes them back';
REVOKE ALL ON FUNCTION lua.stray_grants() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION lua.stray_grants() TO lua_admin, lua_operator, lua_responder, lua_auditor, lua_dpo, lua_definer, lua_rolekeeper;
RESET ROLE;

-- One for each owner: what is run is a statement that the function itself finds in the catalog, never the caller's text.
DO $functions$
DECLARE
    one text;
BEGIN
    FOREACH one IN ARRAY ARRAY['owner', 'definer', 'rolekeeper'] LOOP
        EXECUTE format($function$
            CREATE FUNCTION lua.revoke_stray_of_%s(p_statement text) RETURNS bigint
                LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $body$
            DECLARE
                found record;
                count bigint := 0;
            BEGIN
                PERFORM lua.require_admin();
                FOR found IN SELECT DISTINCT s.statement FROM lua.stray_grants() AS s
                             WHERE s.statement = p_statement AND s.owner = current_user AND s.grantee <> session_user LOOP
                    EXECUTE found.statement;
                    count := count + 1;
                END LOOP;
                RETURN count;
            END $body$
        $function$, one);
        EXECUTE format('COMMENT ON FUNCTION lua.revoke_stray_of_%s IS %L', one, 'Takes back what lua.stray_grants finds on an object of lua_' || one || '; 0: it is gone');
        EXECUTE format('ALTER FUNCTION lua.revoke_stray_of_%s(text) OWNER TO lua_%s', one, one);
        EXECUTE format('REVOKE ALL ON FUNCTION lua.revoke_stray_of_%s(text) FROM PUBLIC', one);
        EXECUTE format('GRANT EXECUTE ON FUNCTION lua.revoke_stray_of_%s(text) TO lua_admin', one);
    END LOOP;
END
$functions$;

-- Takes a membership, or the right to pass it on; on record it ends too. From 16 on only what luactl granted, up to 15 all.
CREATE FUNCTION lua.undo_membership(p_role name, p_login name, p_admin_only boolean, p_at timestamptz, p_entry uuid) RETURNS boolean
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $$
BEGIN
    PERFORM lua.require_admin();
    PERFORM lua.require_time(p_at);
    PERFORM lua.require_other(p_login, (SELECT l.person_id FROM lua.person_login l WHERE l.login = p_login));
    IF p_login ~ '^(lua_|pg_)' THEN
        RAISE EXCEPTION 'role % is not for this', p_login USING ERRCODE = 'insufficient_privilege';
    END IF;
    EXECUTE format('REVOKE %s%I FROM %I', CASE WHEN p_admin_only THEN 'ADMIN OPTION FOR ' ELSE '' END, p_role, p_login);
    IF NOT p_admin_only AND NOT pg_has_role(p_login, p_role, 'MEMBER') THEN
        UPDATE lua.login_grant g SET ended_at = greatest(p_at, g.granted_at), ended_by = session_user, entry_id = p_entry
        WHERE g.login = p_login AND g.role = p_role AND g.ended_at IS NULL;
    END IF;
    RETURN true;
END $$;
COMMENT ON FUNCTION lua.undo_membership IS 'Takes from a login what it is a member of, or its right to pass that on';

-- A login as it is on record: its limit and validity, and the group roles that it was handed, granted by luactl itself.
CREATE FUNCTION lua.restore_login(p_login name, p_at timestamptz) RETURNS boolean
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $$
DECLARE
    narrow text := CASE WHEN current_setting('server_version_num')::integer >= 160000 THEN ' WITH INHERIT TRUE, SET FALSE' ELSE '' END;
    kept lua.login;
    owner uuid;
    lacking text[];
    one text;
BEGIN
    PERFORM lua.require_admin();
    PERFORM lua.require_time(p_at);
    SELECT * INTO kept FROM lua.login l WHERE l.login = p_login FOR UPDATE;
    SELECT l.person_id INTO owner FROM lua.person_login l WHERE l.login = p_login AND l.ended_at IS NULL;
    IF kept IS NULL OR owner IS NULL THEN
        RAISE EXCEPTION 'no login % is on record', p_login USING ERRCODE = 'invalid_parameter_value';
    END IF;
    PERFORM lua.require_other(p_login, owner);
    IF lua.keeps(p_login) AND EXISTS (
        SELECT FROM pg_catalog.pg_roles r WHERE r.rolname = p_login
        AND (r.rolconnlimit <> kept.connection_limit OR nullif(r.rolvaliduntil, 'infinity') IS DISTINCT FROM kept.valid_until)) THEN
        EXECUTE format('ALTER ROLE %I CONNECTION LIMIT %s VALID UNTIL %L', p_login, kept.connection_limit, coalesce(kept.valid_until, 'infinity'));
    END IF;
    lacking := ARRAY(SELECT g.role FROM lua.login_grant g WHERE g.login = p_login AND g.ended_at IS NULL
                     AND NOT EXISTS (SELECT FROM pg_catalog.pg_auth_members m WHERE m.member = (SELECT r.oid FROM pg_catalog.pg_roles r WHERE r.rolname = p_login) AND m.roleid = g.role::regrole
                                     AND m.grantor = 'lua_rolekeeper'::regrole));
    PERFORM lua.require_grantable(owner, lacking, p_at), lua.check_duties(owner, lacking, p_at);
    FOREACH one IN ARRAY lacking LOOP
        IF current_setting('server_version_num')::integer < 160000 THEN
            EXECUTE format('REVOKE %I FROM %I', one, p_login);  -- there is one row for all grantors: it becomes ours
        END IF;
        EXECUTE format('GRANT %I TO %I', one, p_login) || narrow;
    END LOOP;
    RETURN true;
END $$;
COMMENT ON FUNCTION lua.restore_login IS 'Makes a login what is on record of it, without touching what others granted';

DO $owners$
DECLARE
    f regprocedure;
BEGIN
    FOREACH f IN ARRAY ARRAY['lua.undo_membership(name, name, boolean, timestamptz, uuid)', 'lua.restore_login(name, timestamptz)']::regprocedure[]
    LOOP
        EXECUTE format('ALTER FUNCTION %s OWNER TO lua_rolekeeper', f);
        EXECUTE format('REVOKE ALL ON FUNCTION %s FROM PUBLIC', f);
        EXECUTE format('GRANT EXECUTE ON FUNCTION %s TO lua_admin', f);
    END LOOP;
END
$owners$;
