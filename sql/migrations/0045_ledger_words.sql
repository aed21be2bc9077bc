-- The words of an entry as before, from a body that is parsed once: the planner had folded the parsing into each use of it.
SET LOCAL ROLE lua_owner;
CREATE OR REPLACE FUNCTION ledger.words(p_body bytea) RETURNS tsvector
    LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT lua.words(concat_ws(' ', b ->> 'action', b ->> 'object', b ->> 'purpose', b ->> 'on_behalf',
        CASE WHEN jsonb_typeof(b -> 'detail') = 'object'
             THEN ((b -> 'detail') - '{sealed,commitment,references}'::text[])::text END))
    FROM (SELECT convert_from(p_body, 'UTF8')::jsonb OFFSET 0) AS x(b)
$$;
RESET ROLE;
