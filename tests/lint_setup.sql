-- What the lint's queries stand on: temporary views over the catalog, and the rule that every policy must equal.
CREATE TEMP VIEW lint_schema AS
SELECT s.oid::regnamespace AS n FROM pg_namespace s WHERE s.nspname IN ('lua', 'crm', 'ledger', 'vault');

CREATE TEMP VIEW lint_table AS
SELECT c.oid::regclass AS t FROM pg_class c JOIN lint_schema ON n = c.relnamespace WHERE c.relkind IN ('r', 'p');

CREATE TEMP TABLE lint_exempt (name text PRIMARY KEY);

CREATE TEMP VIEW lint_tenant_table AS
SELECT t FROM lint_table JOIN pg_attribute a ON a.attrelid = t
WHERE a.attname = 'tenant_id' AND NOT a.attisdropped AND t::text NOT IN (SELECT name FROM lint_exempt);

CREATE TEMP VIEW lint_function AS
SELECT p.oid::regprocedure AS f FROM pg_proc p JOIN lint_schema ON n = p.pronamespace;

CREATE TEMP TABLE lint_rule (tenant_id bigint);
CREATE POLICY tenant ON lint_rule USING (tenant_id = nullif(current_setting('lua.tenant_id', true), '')::bigint
    AND CASE WHEN nullif(current_setting('lua.tenant_id', true), '')::bigint < 1099511627776
             THEN current_user !~ '^lua_t[0-9]'
                  AND (session_user !~ '^lua_[et][0-9]' OR (session_user ~ '^lua_e' AND current_user = session_user))
             ELSE current_user = 'lua_t' || nullif(current_setting('lua.tenant_id', true), '')::bigint
                  OR pg_has_role(current_user,
                                                to_regrole('lua_t' || nullif(current_setting('lua.tenant_id', true), '')::bigint || '_staff'), 'MEMBER')
        END);

CREATE POLICY elevation ON lint_rule AS RESTRICTIVE USING (lua.as_itself());
CREATE POLICY elevated ON lint_rule AS RESTRICTIVE TO lua_elevated USING (
    clock_timestamp() < to_timestamp(split_part(session_user, '_', 3)::double precision)
    AND left(split_part(session_user, '_', 4), 6) = left(md5(current_database()), 6)
    AND tenant_id = substr(split_part(session_user, '_', 2), 2)::bigint);

-- Who makes a dedicated tenant is somebody, and bound.
WITH who AS (
    INSERT INTO lua.person VALUES (gen_random_uuid(), 'super', 'Invented', 'employee', NULL, '2020-01-01', NULL, gen_random_uuid())
    RETURNING person_id, entry_id
), signed AS (
    INSERT INTO lua.undertaking SELECT gen_random_uuid(), person_id, 'gdpr-28-3-b', '2026-02', '2020-01-01', NULL, NULL, entry_id FROM who
) INSERT INTO lua.person_login SELECT session_user, person_id, now(), NULL, entry_id FROM who;

-- The rules hold for a dedicated tenant's partitions and roles too.
SELECT lua.make_tenant_roles(n), lua.make_tenant_partitions(n) FROM lua.next_dedicated() AS n;
