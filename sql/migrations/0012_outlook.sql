-- What comes next, over all tenants, at the price of one question: whoever watches must not look into each of them.

-- The retention periods that hold data, by class, rule and number; dueness is reckoned by who asks. The classes'
-- numbers are those of the key tree, given with the question.
CREATE FUNCTION lua.periods(p_classes integer[], p_names text[])
    RETURNS TABLE (retention_class text, starting_point text, months integer, number integer, tenants bigint, slugs text[])
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = '' AS $$
    SELECT r.retention_class, r.starting_point, r.months, (p.period_id & 16777215)::integer, count(*),
           (array_agg(d.slug ORDER BY d.slug))[:20]
    FROM vault.period p
    JOIN unnest(p_classes, p_names) AS c(class, name) ON c.class = p.period_id >> 24
    JOIN lua.retention_rule r ON r.tenant_id = p.tenant_id AND r.retention_class = c.name
    JOIN lua.tenant_directory d ON d.tenant_id = p.tenant_id
    WHERE r.months IS NOT NULL AND r.starting_point <> 'end of relationship'
    GROUP BY 1, 2, 3, 4
$$;
ALTER FUNCTION lua.periods(integer[], text[]) OWNER TO lua_definer;
REVOKE ALL ON FUNCTION lua.periods(integer[], text[]) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION lua.periods(integer[], text[]) TO lua_admin, lua_operator, lua_responder, lua_auditor, lua_dpo;
COMMENT ON FUNCTION lua.periods IS 'How many tenants hold data of a class and period under a rule; the first 20 by name';

-- The newest proofs are asked for often, among entries of many other kinds.
SET LOCAL ROLE lua_owner;
CREATE INDEX entry_proof ON ledger.entry (at DESC) WHERE action = 'promise.prove';
RESET ROLE;
