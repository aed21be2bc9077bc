-- How long a role can be had is said by the data protection officer, on record; and until when somebody else must have looked at
-- what was done with it.
SET LOCAL ROLE lua_owner;
ALTER TABLE lua.elevation_rule
    DROP CONSTRAINT elevation_rule_minutes_check,
    DROP CONSTRAINT elevation_rule_check,
    ADD CONSTRAINT elevation_rule_minutes_check CHECK (minutes BETWEEN 0 AND 1440),
    ADD CONSTRAINT elevation_rule_alarm_check CHECK (alarm_minutes BETWEEN 0 AND minutes),
    ADD COLUMN sign_off_days integer NOT NULL DEFAULT 7 CHECK (sign_off_days BETWEEN 1 AND 90),
    ADD COLUMN set_by name,
    ADD COLUMN set_at timestamptz,
    ADD COLUMN entry_id uuid,
    ADD CONSTRAINT elevation_rule_set_check CHECK (num_nulls(set_by, set_at, entry_id) IN (0, 3));
COMMENT ON COLUMN lua.elevation_rule.minutes IS 'With an approval; 0: not at all';
COMMENT ON COLUMN lua.elevation_rule.alarm_minutes IS 'Without approval, and with an alarm; 0: not at all';
COMMENT ON COLUMN lua.elevation_rule.sign_off_days IS 'How long after its end somebody else has to look at what was done';
COMMENT ON COLUMN lua.elevation_rule.set_by IS 'Null: as delivered';
GRANT UPDATE (minutes, alarm_minutes, sign_off_days, set_by, set_at, entry_id) ON lua.elevation_rule TO lua_definer;
RESET ROLE;

CREATE FUNCTION lua.set_elevation_rule(
    p_role text, p_minutes integer, p_alarm_minutes integer, p_sign_off_days integer, p_at timestamptz, p_entry uuid
) RETURNS boolean LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $$
BEGIN
    PERFORM lua.require_time(p_at);
    UPDATE lua.elevation_rule r SET minutes = p_minutes, alarm_minutes = p_alarm_minutes, sign_off_days = p_sign_off_days,
        set_by = session_user, set_at = p_at, entry_id = p_entry
    WHERE r.role = p_role;
    RETURN FOUND;
END $$;
COMMENT ON FUNCTION lua.set_elevation_rule IS 'Sets how long a role can be had, and until when that is signed off; false: there is no such rule';
ALTER FUNCTION lua.set_elevation_rule(text, integer, integer, integer, timestamptz, uuid) OWNER TO lua_definer;
REVOKE ALL ON FUNCTION lua.set_elevation_rule(text, integer, integer, integer, timestamptz, uuid) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION lua.set_elevation_rule(text, integer, integer, integer, timestamptz, uuid) TO lua_dpo;
