-- Dedicated tenants: partitions and roles of their own (docs/design/dedicated.md).
-- lua_rolekeeper owns the functions that make and change the roles of dedicated tenants, and nothing else.
DO $roles$
DECLARE
    newer boolean := current_setting('server_version_num')::integer >= 160000;
BEGIN
    BEGIN
        IF NOT EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = 'lua_rolekeeper') THEN
            CREATE ROLE lua_rolekeeper NOLOGIN NOINHERIT CREATEROLE;
        END IF;
    EXCEPTION WHEN duplicate_object OR unique_violation THEN
        NULL;  -- somebody else created it between the look and the leap
    END;
    -- It may hand out the rights of lua_app, and has none of them itself.
    IF NOT EXISTS (SELECT FROM pg_catalog.pg_auth_members m
                   WHERE m.roleid = 'lua_app'::regrole AND m.member = 'lua_rolekeeper'::regrole AND m.admin_option) THEN
        EXECUTE 'GRANT lua_app TO lua_rolekeeper WITH ADMIN ' || CASE WHEN newer THEN 'TRUE, INHERIT FALSE, SET FALSE' ELSE 'OPTION' END;
    END IF;
    IF EXISTS (SELECT FROM pg_catalog.pg_roles
               WHERE rolname = 'lua_rolekeeper'
                 AND (rolcanlogin OR rolsuper OR rolinherit OR rolcreatedb OR rolreplication OR rolbypassrls)) THEN
        RAISE EXCEPTION 'a role named lua_rolekeeper is there already and has attributes beyond ours'
            USING HINT = 'rename it, or: ALTER ROLE lua_rolekeeper NOLOGIN NOSUPERUSER NOINHERIT NOCREATEDB NOREPLICATION NOBYPASSRLS';
    END IF;
    IF EXISTS (SELECT FROM pg_catalog.pg_auth_members m
               WHERE m.roleid = 'lua_rolekeeper'::regrole
                 AND m.member <> (SELECT oid FROM pg_catalog.pg_roles WHERE rolname = session_user)) THEN
        RAISE EXCEPTION 'lua_rolekeeper must have no members' USING HINT = 'revoke the memberships: nobody may become this role';
    END IF;
END
$roles$;

SET LOCAL ROLE lua_owner;
GRANT USAGE ON SCHEMA lua TO lua_rolekeeper;
CREATE SEQUENCE lua.dedicated_tenant AS bigint MINVALUE 1099511627776;
COMMENT ON SEQUENCE lua.dedicated_tenant IS 'Ids of dedicated tenants, from 2^40 on';
GRANT USAGE ON SEQUENCE lua.dedicated_tenant TO lua_admin;
GRANT SELECT ON lua.tenant_directory TO lua_rolekeeper;

-- Gives a table what makes another one like it safe: row security, policies, and no statistics where it has none. A new
-- table of tenants gets the one policy by lua.imitate('lua.tenant', …).
CREATE FUNCTION lua.imitate(p_model regclass, p_table regclass) RETURNS void
    LANGUAGE plpgsql SET search_path = '' AS $$
DECLARE
    one record;
BEGIN
    EXECUTE format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY', p_table);
    FOR one IN SELECT p.polname, CASE WHEN p.polpermissive THEN 'PERMISSIVE' ELSE 'RESTRICTIVE' END AS kind,
                      CASE p.polcmd WHEN 'r' THEN 'SELECT' WHEN 'a' THEN 'INSERT' WHEN 'w' THEN 'UPDATE' WHEN 'd' THEN 'DELETE' ELSE 'ALL' END AS verb,
                      (SELECT string_agg(CASE r.oid WHEN 0 THEN 'PUBLIC' ELSE r.oid::regrole::text END, ', ') FROM unnest(p.polroles) AS r (oid)) AS whom,
                      pg_get_expr(p.polqual, p.polrelid) AS shown, pg_get_expr(p.polwithcheck, p.polrelid) AS written
               FROM pg_catalog.pg_policy p WHERE p.polrelid = p_model LOOP
        EXECUTE concat(format('CREATE POLICY %I ON %s AS %s FOR %s TO %s', one.polname, p_table, one.kind, one.verb, one.whom),
                       ' USING (' || one.shown || ')', ' WITH CHECK (' || one.written || ')');
    END LOOP;
    FOR one IN SELECT a.attname FROM pg_catalog.pg_attribute a WHERE a.attrelid = p_model AND a.attnum > 0 AND a.attstattarget = 0 LOOP
        EXECUTE format('ALTER TABLE %s ALTER %I SET STATISTICS 0', p_table, one.attname);
    END LOOP;
END $$;
COMMENT ON FUNCTION lua.imitate IS 'Row security, policies and statistics targets of one table for another';
REVOKE ALL ON FUNCTION lua.imitate(regclass, regclass) FROM PUBLIC;

-- The policy asks for the role of a dedicated tenant's staff by its name: only in the context of dedicated tenants, and a
-- role that is not there is null, which shows nothing. It asks the setting, which is the row's tenant, and not the row:
-- so Postgres asks once a statement instead of once a row. Who logged in as one tenant's CRM stays that, whatever role it takes.
DO $policy$
DECLARE
    t regclass;
BEGIN
    FOR t IN SELECT p.polrelid FROM pg_catalog.pg_policy p JOIN pg_catalog.pg_class c ON c.oid = p.polrelid
             WHERE p.polname = 'tenant' AND p.polpermissive
               AND c.relnamespace IN ('lua'::regnamespace, 'crm'::regnamespace, 'vault'::regnamespace)
    LOOP
        EXECUTE format($rule$ALTER POLICY tenant ON %s
            USING (tenant_id = nullif(current_setting('lua.tenant_id', true), '')::bigint
                   AND CASE WHEN nullif(current_setting('lua.tenant_id', true), '')::bigint < 1099511627776
                            THEN current_user !~ '^lua_t[0-9]' AND session_user !~ '^lua_t[0-9]'
                            ELSE current_user = 'lua_t' || nullif(current_setting('lua.tenant_id', true), '')::bigint
                                 OR pg_has_role(current_user,
                                                to_regrole('lua_t' || nullif(current_setting('lua.tenant_id', true), '')::bigint || '_staff'), 'MEMBER')
                       END)$rule$, t);
    END LOOP;
END
$policy$;

CREATE OR REPLACE FUNCTION lua.require_tenant(p_tenant bigint) RETURNS boolean
    LANGUAGE plpgsql STABLE SET search_path = '' AS $$
BEGIN
    IF (CASE WHEN p_tenant < 1099511627776 THEN p_tenant >= 0 AND session_user !~ '^lua_t[0-9]'
             ELSE session_user = 'lua_t' || p_tenant
                  OR pg_has_role(session_user, to_regrole('lua_t' || p_tenant || '_staff'), 'MEMBER') END) THEN
        RETURN true;
    END IF;
    RAISE EXCEPTION 'tenant % is not for %', p_tenant, session_user USING ERRCODE = 'insufficient_privilege';
END $$;

-- Who makes, admits and removes: an administrator, whom being admitted somewhere does not concern.
CREATE FUNCTION lua.require_admin() RETURNS boolean
    LANGUAGE plpgsql STABLE SET search_path = '' AS $$
BEGIN
    IF pg_has_role(session_user, 'lua_admin', 'MEMBER') AND session_user !~ '^lua_t[0-9]' THEN
        RETURN true;
    END IF;
    RAISE EXCEPTION 'only lua_admin does this, not %', session_user USING ERRCODE = 'insufficient_privilege';
END $$;
COMMENT ON FUNCTION lua.require_admin IS 'True, or an error: whether session_user is an administrator';
REVOKE ALL ON FUNCTION lua.require_admin() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION lua.require_admin() TO lua_rolekeeper;

-- Roles belong to the whole server: a number whose roles another database has is passed over.
CREATE FUNCTION lua.next_dedicated() RETURNS bigint
    LANGUAGE plpgsql SET search_path = '' AS $$
DECLARE
    number bigint;
BEGIN
    LOOP
        number := nextval('lua.dedicated_tenant');
        EXIT WHEN to_regrole('lua_t' || number) IS NULL AND to_regrole('lua_t' || number || '_staff') IS NULL;
    END LOOP;
    RETURN number;
END $$;
COMMENT ON FUNCTION lua.next_dedicated IS 'The next id for a dedicated tenant whose roles nobody has on this server';
REVOKE ALL ON FUNCTION lua.next_dedicated() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION lua.next_dedicated() TO lua_admin;

-- Gives a dedicated tenant its partitions, those that are missing, after the model of the pooled ones. Foreign keys lead
-- from partition to partition: so each check looks into one table, and dropping a tenant's asks no other's.
CREATE FUNCTION lua.add_partitions(p_dedicated bigint) RETURNS void
    LANGUAGE plpgsql SET search_path = '' AS $$
DECLARE
    one record;
    own text;
    key record;
BEGIN
    FOR one IN SELECT c.oid::regclass AS parent, c.relname, p.partdefid::regclass AS pooled
               FROM pg_catalog.pg_partitioned_table p JOIN pg_catalog.pg_class c ON c.oid = p.partrelid
               WHERE c.relnamespace = 'crm'::regnamespace AND p.partstrat = 'l' ORDER BY c.oid
    LOOP
        own := format('crm.%I', one.relname || '_t' || p_dedicated);
        CONTINUE WHEN EXISTS (SELECT FROM pg_catalog.pg_inherits i
                              WHERE i.inhparent = one.parent AND i.inhrelid = to_regclass(own));
        EXECUTE format('CREATE TABLE %s PARTITION OF %s FOR VALUES IN (%s)', own, one.parent, p_dedicated);
        PERFORM lua.imitate(one.parent, own::regclass);
        FOR key IN SELECT c.conname, pg_get_constraintdef(c.oid) AS definition FROM pg_catalog.pg_constraint c
                   WHERE c.conrelid = one.pooled AND c.contype = 'f' LOOP
            EXECUTE format('ALTER TABLE %s ADD CONSTRAINT %I %s', own, key.conname,
                           replace(key.definition, '_pooled(', format('_t%s(', p_dedicated)));
        END LOOP;
    END LOOP;
END $$;
COMMENT ON FUNCTION lua.add_partitions IS 'Makes what is missing of a dedicated tenant''s partitions; for migrations and lua.make_tenant_partitions';
REVOKE ALL ON FUNCTION lua.add_partitions(bigint) FROM PUBLIC;

-- Turns a table of customers' data into the partition of all pooled tenants, under a new parent of its name that gets its
-- comment, columns, CHECKs, indexes, policies and rights. The CHECK keeps dedicated tenants out of it, and tells Postgres
-- that it need not be searched when one of them gets its own partition. For migrations: of these tables, and of later ones.
CREATE FUNCTION lua.partition_by_tenant(p_name text) RETURNS void
    LANGUAGE plpgsql SET search_path = '' AS $$
DECLARE
    pooled text := p_name || '_pooled';
    indexes text[] := ARRAY(
        SELECT CASE WHEN c.oid IS NULL THEN pg_get_indexdef(i.indexrelid)
                    ELSE format('ALTER TABLE crm.%I ADD CONSTRAINT %I %s', p_name, c.conname, pg_get_constraintdef(c.oid)) END
        FROM pg_catalog.pg_index i
        LEFT JOIN pg_catalog.pg_constraint c ON c.conindid = i.indexrelid AND c.conrelid = i.indrelid AND c.contype IN ('p', 'u')
        WHERE i.indrelid = format('crm.%I', p_name)::regclass ORDER BY i.indexrelid);
    one record;
BEGIN
    EXECUTE format('ALTER TABLE crm.%I RENAME TO %I', p_name, pooled);
    FOR one IN SELECT c.relname FROM pg_catalog.pg_index i JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid
               WHERE i.indrelid = format('crm.%I', pooled)::regclass LOOP
        EXECUTE format('ALTER INDEX crm.%I RENAME TO %I', one.relname, regexp_replace(one.relname, '^' || p_name, pooled));
    END LOOP;
    FOR one IN SELECT c.conname, c.confrelid::regclass AS parent, p.partdefid::regclass AS target, pg_get_constraintdef(c.oid) AS definition
               FROM pg_catalog.pg_constraint c JOIN pg_catalog.pg_partitioned_table p ON p.partrelid = c.confrelid
               WHERE c.conrelid = format('crm.%I', pooled)::regclass AND c.contype = 'f' AND c.conparentid = 0 LOOP
        EXECUTE format('ALTER TABLE crm.%I DROP CONSTRAINT %I, ADD CONSTRAINT %I %s', pooled, one.conname, one.conname,
                       replace(one.definition, ' ' || one.parent || '(', ' ' || one.target || '('));
    END LOOP;
    EXECUTE format('ALTER TABLE crm.%I ADD CONSTRAINT pooled CHECK (tenant_id < 1099511627776)', pooled);
    EXECUTE format('CREATE TABLE crm.%I (LIKE crm.%I INCLUDING ALL EXCLUDING INDEXES) PARTITION BY LIST (tenant_id)', p_name, pooled);
    EXECUTE format('ALTER TABLE crm.%I DROP CONSTRAINT pooled', p_name);
    EXECUTE format('COMMENT ON TABLE crm.%I IS %L', p_name, obj_description(format('crm.%I', pooled)::regclass, 'pg_class'));
    EXECUTE format('COMMENT ON TABLE crm.%I IS %L', pooled, 'Rows of all pooled tenants');
    PERFORM lua.imitate(format('crm.%I', pooled)::regclass, format('crm.%I', p_name)::regclass);
    EXECUTE format('ALTER TABLE crm.%I ATTACH PARTITION crm.%I DEFAULT', p_name, pooled);
    FOR one IN SELECT * FROM unnest(indexes) AS i(statement) LOOP
        EXECUTE one.statement;
    END LOOP;
    -- Rights stand on the partitioned table alone.
    FOR one IN
        SELECT x.grantee::regrole AS grantee, x.privilege_type, '' AS columns
        FROM pg_catalog.pg_class c, aclexplode(c.relacl) AS x
        WHERE c.oid = format('crm.%I', pooled)::regclass AND x.grantee <> c.relowner
        UNION ALL
        SELECT x.grantee::regrole, x.privilege_type, format('(%s)', string_agg(quote_ident(a.attname), ', '))
        FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_class c ON c.oid = a.attrelid, aclexplode(a.attacl) AS x
        WHERE a.attrelid = format('crm.%I', pooled)::regclass AND x.grantee <> c.relowner
        GROUP BY x.grantee, x.privilege_type
    LOOP
        EXECUTE format('GRANT %s %s ON crm.%I TO %s', one.privilege_type, one.columns, p_name, one.grantee);
        EXECUTE format('REVOKE %s %s ON crm.%I FROM %s', one.privilege_type, one.columns, pooled, one.grantee);
    END LOOP;
    -- A key of a table that is not split leads to the parent: it means people of dedicated tenants too.
    FOR one IN SELECT c.conname, c.conrelid::regclass AS referring, pg_get_constraintdef(c.oid) AS definition
               FROM pg_catalog.pg_constraint c JOIN pg_catalog.pg_class r ON r.oid = c.conrelid
               WHERE c.contype = 'f' AND c.confrelid = format('crm.%I', pooled)::regclass AND r.relnamespace <> 'crm'::regnamespace LOOP
        EXECUTE format('ALTER TABLE %s DROP CONSTRAINT %I, ADD CONSTRAINT %I %s', one.referring, one.conname, one.conname,
                       replace(one.definition, format('crm.%I(', pooled), format('crm.%I(', p_name)));
    END LOOP;
    PERFORM lua.add_partitions(d.tenant_id) FROM lua.tenant_directory d WHERE d.tenant_id >= 1099511627776;
END $$;
COMMENT ON FUNCTION lua.partition_by_tenant IS 'Splits a table of schema crm by tenant, pooled ones in one partition; for migrations';
REVOKE ALL ON FUNCTION lua.partition_by_tenant(text) FROM PUBLIC;

SELECT lua.partition_by_tenant(t.name)
FROM unnest(ARRAY['role', 'subject', 'contact', 'contact_key', 'interaction', 'invoice', 'invoice_line'])
     WITH ORDINALITY AS t (name, no) ORDER BY t.no;

CREATE FUNCTION lua.make_tenant_partitions(p_dedicated bigint) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $$
BEGIN
    PERFORM lua.require_admin();
    IF p_dedicated IS NULL OR p_dedicated < 1099511627776 THEN
        RAISE EXCEPTION 'tenant % is not a dedicated one', p_dedicated USING ERRCODE = 'invalid_parameter_value';
    END IF;
    PERFORM lua.add_partitions(p_dedicated);
END $$;
COMMENT ON FUNCTION lua.make_tenant_partitions IS 'Gives a dedicated tenant a partition of each table of customers'' data';
RESET ROLE;

CREATE FUNCTION lua.make_tenant_roles(p_dedicated bigint) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $$
DECLARE
    own text := 'lua_t' || p_dedicated;
    staff text := own || '_staff';
    known boolean := EXISTS (SELECT FROM lua.tenant_directory d WHERE d.tenant_id = p_dedicated);
    narrow text := CASE WHEN current_setting('server_version_num')::integer >= 160000 THEN ' WITH INHERIT TRUE, SET FALSE' ELSE '' END;
BEGIN
    PERFORM lua.require_admin();
    IF p_dedicated IS NULL OR p_dedicated < 1099511627776 THEN
        RAISE EXCEPTION 'tenant % is not a dedicated one', p_dedicated USING ERRCODE = 'invalid_parameter_value';
    END IF;
    IF NOT known AND (to_regrole(own) IS NOT NULL OR to_regrole(staff) IS NOT NULL) THEN
        RAISE EXCEPTION 'there is a role % or % on this server already', own, staff USING ERRCODE = 'duplicate_object';
    END IF;
    IF to_regrole(own) IS NULL THEN
        EXECUTE format('CREATE ROLE %I LOGIN', own);
        EXECUTE format('GRANT lua_app TO %I', own) || narrow;
    END IF;
    IF to_regrole(staff) IS NULL THEN
        EXECUTE format('CREATE ROLE %I NOLOGIN', staff);
    END IF;
    IF NOT known THEN
        EXECUTE format('GRANT %I TO %I', staff, session_user) || narrow;
    END IF;
END $$;
COMMENT ON FUNCTION lua.make_tenant_roles IS
    'Makes what is missing of a dedicated tenant''s login and staff role; who creates a tenant is its first staff';

-- The verifier comes ready-made, so that no password ever reaches the server.
CREATE FUNCTION lua.set_tenant_verifier(p_dedicated bigint, p_verifier text) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $$
BEGIN
    PERFORM lua.require_admin();
    IF NOT EXISTS (SELECT FROM lua.tenant_directory d WHERE d.tenant_id = p_dedicated AND p_dedicated >= 1099511627776) THEN
        RAISE EXCEPTION 'tenant % has no login of its own', p_dedicated USING ERRCODE = 'invalid_parameter_value';
    END IF;
    IF p_verifier IS NULL OR p_verifier !~ '^SCRAM-SHA-256\$[0-9]+:[A-Za-z0-9+/=]+\$[A-Za-z0-9+/=]+:[A-Za-z0-9+/=]+$' THEN
        RAISE EXCEPTION 'this is no SCRAM verifier' USING ERRCODE = 'invalid_parameter_value';
    END IF;
    EXECUTE format('ALTER ROLE %I PASSWORD %L', 'lua_t' || p_dedicated, p_verifier);
END $$;
COMMENT ON FUNCTION lua.set_tenant_verifier IS 'Sets the SCRAM verifier by which a dedicated tenant''s own login is known';

-- Whom row security does not bind needs no admission; and were the CRM's pooled logins admitted, or the AI's, the
-- tenant would no longer be apart from the others.
CREATE FUNCTION lua.admit_staff(p_dedicated bigint, p_login text) RETURNS boolean
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $$
DECLARE
    staff text := 'lua_t' || p_dedicated || '_staff';
    narrow text := CASE WHEN current_setting('server_version_num')::integer >= 160000 THEN ' WITH INHERIT TRUE, SET FALSE' ELSE '' END;
    found pg_catalog.pg_roles;
BEGIN
    PERFORM lua.require_admin();
    SELECT * INTO found FROM pg_catalog.pg_roles r WHERE r.rolname = p_login;
    IF NOT coalesce(found.rolcanlogin, false) THEN
        RAISE EXCEPTION 'there is no login %', p_login USING ERRCODE = 'invalid_role_specification';
    ELSIF found.rolsuper OR found.rolbypassrls THEN
        RAISE EXCEPTION 'row security does not bind %', p_login USING ERRCODE = 'invalid_role_specification';
    ELSIF p_login ~ '^lua_' OR pg_has_role(p_login, 'lua_app', 'MEMBER') OR pg_has_role(p_login, 'lua_ai', 'MEMBER') THEN
        RAISE EXCEPTION '% is a login of the CRM or its AI, not of staff', p_login USING ERRCODE = 'invalid_role_specification';
    ELSIF to_regrole(staff) IS NULL THEN
        RAISE EXCEPTION 'there is no role % on this server', staff USING ERRCODE = 'invalid_role_specification';
    ELSIF EXISTS (SELECT FROM pg_catalog.pg_auth_members m WHERE m.roleid = to_regrole(staff) AND m.member = found.oid) THEN
        RETURN false;
    END IF;
    EXECUTE format('GRANT %I TO %I', staff, p_login) || narrow;
    RETURN true;
END $$;
COMMENT ON FUNCTION lua.admit_staff IS 'Lets a login work on a dedicated tenant with the rights it has; false: it could already';

CREATE FUNCTION lua.dismiss_staff(p_dedicated bigint, p_login text) RETURNS boolean
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $$
DECLARE
    staff text := 'lua_t' || p_dedicated || '_staff';
    found pg_catalog.pg_roles;
BEGIN
    PERFORM lua.require_admin();
    SELECT * INTO found FROM pg_catalog.pg_roles r WHERE r.rolname = p_login;
    IF found IS NULL OR to_regrole(staff) IS NULL OR NOT pg_has_role(p_login, to_regrole(staff), 'MEMBER') THEN
        RETURN false;
    END IF;
    EXECUTE format('REVOKE %I FROM %I', staff, p_login);
    IF pg_has_role(p_login, to_regrole(staff), 'MEMBER') THEN
        RAISE EXCEPTION '% still belongs to %, by somebody else''s grant or through another role', p_login, staff
            USING ERRCODE = 'invalid_role_specification';
    END IF;
    RETURN true;
END $$;
COMMENT ON FUNCTION lua.dismiss_staff IS 'Takes back what lua.admit_staff gave; false: there was nothing to take back';

DO $owners$
DECLARE
    f regprocedure;
BEGIN
    FOREACH f IN ARRAY ARRAY['lua.make_tenant_roles(bigint)', 'lua.set_tenant_verifier(bigint, text)',
                             'lua.admit_staff(bigint, text)', 'lua.dismiss_staff(bigint, text)']::regprocedure[]
    LOOP
        EXECUTE format('ALTER FUNCTION %s OWNER TO lua_rolekeeper', f);
    END LOOP;
    FOREACH f IN ARRAY ARRAY['lua.make_tenant_partitions(bigint)', 'lua.make_tenant_roles(bigint)',
                             'lua.set_tenant_verifier(bigint, text)', 'lua.admit_staff(bigint, text)',
                             'lua.dismiss_staff(bigint, text)']::regprocedure[]
    LOOP
        EXECUTE format('REVOKE ALL ON FUNCTION %s FROM PUBLIC', f);
        EXECUTE format('GRANT EXECUTE ON FUNCTION %s TO lua_admin', f);
    END LOOP;
END
$owners$;
