-- What the migrations give to the group roles, and how they hold rows apart: remembered here at the end of each upgrade, so that what
-- drifted from it is put back by the database itself (docs/design/state.md).
SET LOCAL ROLE lua_owner;

CREATE TABLE lua.shipped_right (
    object    text COLLATE "C" NOT NULL,
    privilege text COLLATE "C" NOT NULL CHECK (privilege ~ '^[A-Z]+$'),
    role      text COLLATE "C" NOT NULL CHECK (role ~ '^lua_[a-z]+$'),
    columns   text[] CHECK (cardinality(columns) > 0),
    PRIMARY KEY (object, privilege, role)
);
COMMENT ON TABLE lua.shipped_right IS 'Rights of the group roles by the migrations: sql/shipped/rights.csv of the luactl that migrated last';
COMMENT ON COLUMN lua.shipped_right.object IS 'As regclass or regprocedure writes it, the name of a schema, or DATABASE: this one';
COMMENT ON COLUMN lua.shipped_right.columns IS 'Null: the whole object';

CREATE TABLE lua.shipped_policy (
    object     text COLLATE "C" NOT NULL,
    policy     text COLLATE "C" NOT NULL,
    definition text NOT NULL CHECK (definition <> ''),
    PRIMARY KEY (object, policy)
);
COMMENT ON TABLE lua.shipped_policy IS 'Row security and policies by the migrations: sql/shipped/policies.csv of the luactl that migrated last';
COMMENT ON COLUMN lua.shipped_policy.policy IS 'Empty: whether row security is on, and binds the owner';
COMMENT ON COLUMN lua.shipped_policy.definition IS 'What follows CREATE POLICY … ON …, or ALTER TABLE …';
GRANT SELECT ON lua.shipped_right TO lua_definer, lua_rolekeeper;

-- Whatever has rights of its own in this database, or on the server, by its name in lua.shipped_right and in a statement: its owner and
-- its rights; once for itself, and once for each column that has some.
CREATE FUNCTION lua.acls() RETURNS TABLE (is_closed boolean, name text, target text, col text, owner oid, items aclitem[])
    LANGUAGE sql STABLE SET search_path = '' AS $$
    WITH space AS (
        SELECT n.oid, n.nspname, n.nspowner, n.nspacl, n.nspname IN ('lua', 'crm', 'ledger', 'vault', 'public') AS is_closed
        FROM pg_catalog.pg_namespace n WHERE n.nspname !~ '^pg_(toast|temp)'
    )
    SELECT s.is_closed, c.oid::regclass::text, format('%s %I.%I', CASE c.relkind WHEN 'S' THEN 'SEQUENCE' ELSE 'TABLE' END, s.nspname, c.relname), '', c.relowner, c.relacl
    FROM pg_catalog.pg_class c JOIN space s ON s.oid = c.relnamespace WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S')
    UNION ALL
    SELECT s.is_closed, c.oid::regclass::text, format('TABLE %I.%I', s.nspname, c.relname), format(' (%I)', a.attname), c.relowner, a.attacl
    FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_class c ON c.oid = a.attrelid JOIN space s ON s.oid = c.relnamespace
    WHERE a.attacl IS NOT NULL AND a.attnum > 0 AND NOT a.attisdropped AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
    UNION ALL
    SELECT s.is_closed AND s.nspname <> 'public', p.oid::regprocedure::text, format('ROUTINE %I.%I(%s)', s.nspname, p.proname, pg_get_function_identity_arguments(p.oid)),
           '', p.proowner, coalesce(p.proacl, acldefault('f', p.proowner))
    FROM pg_catalog.pg_proc p JOIN space s ON s.oid = p.pronamespace WHERE p.proacl IS NOT NULL OR s.is_closed
    UNION ALL
    SELECT s.is_closed, s.nspname::text, format('SCHEMA %I', s.nspname), '', s.nspowner, coalesce(s.nspacl, acldefault('n', s.nspowner)) FROM space s
    UNION ALL
    SELECT true, 'DATABASE', format('DATABASE %I', d.datname), '', d.datdba, coalesce(d.datacl, acldefault('d', d.datdba))
    FROM pg_catalog.pg_database d WHERE d.datname = current_database()
    UNION ALL
    SELECT true, NULL, 'LARGE OBJECT ' || l.oid, '', l.lomowner, l.lomacl FROM pg_catalog.pg_largeobject_metadata l
    UNION ALL
    SELECT false, NULL, format('TYPE %I.%I', s.nspname, t.typname), '', t.typowner, t.typacl
    FROM pg_catalog.pg_type t JOIN space s ON s.oid = t.typnamespace WHERE t.typacl IS NOT NULL
    UNION ALL
    SELECT true, NULL, format('TABLESPACE %I', t.spcname), '', t.spcowner, t.spcacl FROM pg_catalog.pg_tablespace t
    UNION ALL
    SELECT false, NULL, format('LANGUAGE %I', l.lanname), '', l.lanowner, l.lanacl FROM pg_catalog.pg_language l
    UNION ALL
    SELECT true, NULL, format('FOREIGN SERVER %I', f.srvname), '', f.srvowner, f.srvacl FROM pg_catalog.pg_foreign_server f
    UNION ALL
    SELECT true, NULL, format('FOREIGN DATA WRAPPER %I', w.fdwname), '', w.fdwowner, w.fdwacl FROM pg_catalog.pg_foreign_data_wrapper w
    UNION ALL
    SELECT true, NULL, 'PARAMETER ' || p.parname, '', 10, p.paracl FROM pg_catalog.pg_parameter_acl p
$$;
COMMENT ON FUNCTION lua.acls IS 'Objects and columns with their owners and rights; is_closed: PUBLIC has none on it';
REVOKE ALL ON FUNCTION lua.acls() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION lua.acls() TO lua_admin, lua_operator, lua_responder, lua_auditor, lua_dpo, lua_definer, lua_rolekeeper;

-- As before, out of lua.acls().
CREATE OR REPLACE FUNCTION lua.stray_grants() RETURNS TABLE (
    object text, grantee text, privilege text, passes_on boolean, grantor text, owner text, statement text
) LANGUAGE sql STABLE SET search_path = '' AS $$
    WITH role AS (
        SELECT r.oid, r.rolname, quote_ident(r.rolname) AS quoted,
               r.rolname ~ '^lua_(admin|operator|responder|auditor|dpo|accounting|app|ai|elevated|owner|definer|rolekeeper)$' AS is_house,
               r.rolname ~ '^pg_' AS is_predefined
        FROM pg_catalog.pg_roles r
        UNION ALL SELECT 0, 'PUBLIC', 'PUBLIC', false, false
    ), item AS MATERIALIZED (
        SELECT a.is_closed, a.target, a.col, a.owner, x.grantee, x.grantor, x.privilege_type, x.is_grantable
        FROM lua.acls() AS a CROSS JOIN LATERAL aclexplode(a.items) AS x WHERE x.grantee <> a.owner
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

-- Row security (an empty name) and the policies of our tables, each as it stands in lua.shipped_policy, and the table there whose row it
-- is held against: a partition's is its parent, since a dedicated tenant's is made like it; a month's has no policy of its own.
CREATE FUNCTION lua.policies() RETURNS TABLE (object text, model text, is_month boolean, policy text, definition text, permissive boolean, owner text)
    LANGUAGE sql STABLE SET search_path = '' AS $$
    WITH ours AS (
        SELECT c.oid, coalesce(i.inhparent, c.oid)::regclass::text AS model, c.relispartition AND n.nspname <> 'crm' AS is_month, r.rolname::text AS owner,
               CASE WHEN NOT c.relrowsecurity THEN '' WHEN c.relforcerowsecurity THEN 'ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY'
                    ELSE 'ENABLE ROW LEVEL SECURITY' END AS security
        FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace JOIN pg_catalog.pg_roles r ON r.oid = c.relowner
        LEFT JOIN pg_catalog.pg_inherits i ON i.inhrelid = c.oid AND c.relispartition
        WHERE n.nspname IN ('lua', 'crm', 'ledger', 'vault') AND c.relkind IN ('r', 'p')
    )
    SELECT o.oid::regclass::text, o.model, o.is_month, '', o.security, NULL, o.owner FROM ours o
    UNION ALL
    SELECT o.oid::regclass::text, o.model, o.is_month, p.polname::text,
           concat('AS ', CASE WHEN p.polpermissive THEN 'PERMISSIVE' ELSE 'RESTRICTIVE' END,
                  ' FOR ', CASE p.polcmd WHEN 'r' THEN 'SELECT' WHEN 'a' THEN 'INSERT' WHEN 'w' THEN 'UPDATE' WHEN 'd' THEN 'DELETE' ELSE 'ALL' END,
                  ' TO ', (SELECT string_agg(w.name, ', ' ORDER BY w.name) FROM unnest(p.polroles) AS u (role)
                           CROSS JOIN LATERAL (SELECT CASE u.role WHEN 0 THEN 'PUBLIC' ELSE u.role::regrole::text END COLLATE "C" AS name) AS w),
                  ' USING (' || pg_get_expr(p.polqual, p.polrelid) || ')', ' WITH CHECK (' || pg_get_expr(p.polwithcheck, p.polrelid) || ')'),
           p.polpermissive, o.owner
    FROM ours o JOIN pg_catalog.pg_policy p ON p.polrelid = o.oid
    ORDER BY 1, 4
$$;
COMMENT ON FUNCTION lua.policies IS 'Row security and policies of our tables, as statements would make them';
REVOKE ALL ON FUNCTION lua.policies() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION lua.policies() TO lua_admin, lua_operator, lua_responder, lua_auditor, lua_dpo;

-- Makes row security, or one policy, of one of our tables what it is by the migrations. What would let more rows show is not done:
-- a restrictive policy that is not ours may be somebody's for a reason.
CREATE FUNCTION lua.restore_policy(p_object text, p_policy text) RETURNS boolean
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $$
DECLARE
    place record;
    found record;
    shipped text;
BEGIN
    PERFORM lua.require_admin();
    SELECT * INTO place FROM lua.policies() AS p WHERE p.object = p_object AND p.policy = '';
    SELECT * INTO found FROM lua.policies() AS p WHERE p.object = p_object AND p.policy = p_policy;
    SELECT s.definition INTO shipped FROM lua.shipped_policy s
    WHERE s.object = place.model AND s.policy = p_policy AND (p_policy = '' OR NOT place.is_month);
    IF place.object IS NULL OR (shipped IS NULL AND found.policy IS NULL) THEN
        RETURN false;
    ELSIF shipped IS NULL AND found.permissive IS DISTINCT FROM true THEN
        RAISE EXCEPTION 'without it more rows would show' USING ERRCODE = 'insufficient_privilege';
    ELSIF p_policy = '' THEN
        EXECUTE format('ALTER TABLE %s %s', p_object, shipped);
        RETURN true;
    END IF;
    IF found.policy IS NOT NULL THEN
        EXECUTE format('DROP POLICY %I ON %s', p_policy, p_object);
    END IF;
    IF shipped IS NOT NULL THEN
        EXECUTE format('CREATE POLICY %I ON %s %s', p_policy, p_object, shipped);
    END IF;
    RETURN true;
END $$;
COMMENT ON FUNCTION lua.restore_policy IS 'Makes row security (an empty name) or a policy of a table what the migrations made it; false: there is no such thing';
REVOKE ALL ON FUNCTION lua.restore_policy(text, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION lua.restore_policy(text, text) TO lua_admin;
RESET ROLE;

-- One for each owner: what a group role may do with an object becomes what it may by the migrations, whatever the caller says.
DO $functions$
DECLARE
    one text;
BEGIN
    FOREACH one IN ARRAY ARRAY['owner', 'definer', 'rolekeeper'] LOOP
        EXECUTE format($function$
            CREATE FUNCTION lua.restore_right_of_%s(p_object text, p_privilege text, p_role text) RETURNS boolean
                LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $body$
            DECLARE
                target text := (SELECT a.target FROM lua.acls() AS a WHERE a.name = p_object AND a.col = '' AND a.owner = current_user::regrole);
                shipped lua.shipped_right;
            BEGIN
                PERFORM lua.require_admin();
                IF p_role !~ '^lua_(admin|operator|responder|auditor|dpo|accounting|app|ai|elevated)$' OR p_privilege !~ '^[A-Z]+$' OR target IS NULL THEN
                    RETURN false;
                END IF;
                EXECUTE format('REVOKE %%s ON %%s FROM %%I', p_privilege, target, p_role);
                SELECT * INTO shipped FROM lua.shipped_right s WHERE s.object = p_object AND s.privilege = p_privilege AND s.role = p_role;
                IF shipped.object IS NOT NULL THEN
                    EXECUTE format('GRANT %%s%%s ON %%s TO %%I', p_privilege,
                                   (SELECT format(' (%%s)', string_agg(quote_ident(c), ', ')) FROM unnest(shipped.columns) AS c
                                    HAVING count(*) > 0), target, p_role);
                END IF;
                RETURN true;
            END $body$
        $function$, one);
        EXECUTE format('COMMENT ON FUNCTION lua.restore_right_of_%s IS %L', one,
                       'Makes a right of a group role on an object of lua_' || one || ' what the migrations made it; false: there is no such object');
        EXECUTE format('ALTER FUNCTION lua.restore_right_of_%s(text, text, text) OWNER TO lua_%s', one, one);
        EXECUTE format('REVOKE ALL ON FUNCTION lua.restore_right_of_%s(text, text, text) FROM PUBLIC', one);
        EXECUTE format('GRANT EXECUTE ON FUNCTION lua.restore_right_of_%s(text, text, text) TO lua_admin', one);
    END LOOP;
END
$functions$;
