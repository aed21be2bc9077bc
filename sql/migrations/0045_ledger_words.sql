-- The words of an entry as before, from a body that is parsed once, where the planner had folded the parsing into each use of
-- it, and in plpgsql, which is not set up anew for each row: every append works them out, and searches do.
SET LOCAL ROLE lua_owner;
CREATE OR REPLACE FUNCTION ledger.words(p_body bytea) RETURNS tsvector
    LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
DECLARE
    b jsonb := convert_from(p_body, 'UTF8');
    detail jsonb := b -> 'detail';
BEGIN
    RETURN lua.words(concat_ws(' ', b ->> 'action', b ->> 'object', b ->> 'purpose', b ->> 'on_behalf',
        CASE WHEN jsonb_typeof(detail) = 'object' THEN (detail - '{sealed,commitment,references}'::text[])::text END));
END $$;
RESET ROLE;
