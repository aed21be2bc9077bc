-- What somebody leaves behind who goes: requests nobody waits for any more, and decisions that others take (docs/design/people.md).

CREATE FUNCTION lua.withdraw_approvals(p_person uuid, p_ids uuid[], p_reason text, p_at timestamptz) RETURNS bigint
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $$
DECLARE
    touched bigint;
BEGIN
    PERFORM lua.require_time(p_at);
    UPDATE lua.approval a SET void_at = p_at, void_reason = p_reason
    WHERE a.approval_id = ANY (p_ids) AND a.used_at IS NULL AND a.void_at IS NULL
      AND EXISTS (SELECT FROM lua.person_login l WHERE l.login = a.requested_by AND l.person_id = p_person);
    GET DIAGNOSTICS touched = ROW_COUNT;
    RETURN touched;
END $$;
COMMENT ON FUNCTION lua.withdraw_approvals IS 'Takes back requests of a person that were not used yet; returns how many';

-- Each item goes to whoever is independent, beginning with the successor: who that is may differ from item to item.
CREATE FUNCTION lua.hand_on_review(p_review uuid, p_person uuid, p_to uuid, p_at timestamptz) RETURNS bigint
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $$
DECLARE
    touched bigint;
BEGIN
    PERFORM lua.require_time(p_at);
    UPDATE lua.review_item i SET reviewer = c.reviewer, assigned_as = 'escalated', assigned_at = p_at, shown_at = NULL
    FROM lua.review_item o
    CROSS JOIN LATERAL lua.review_reviewer(p_to, o.person_id, o.login, o.kind, o.class, o.object_id, o.object) AS c
    WHERE o.review_id = p_review AND o.reviewer = p_person AND o.settled_at IS NULL AND o.decision_no IS NULL
      AND i.review_id = o.review_id AND i.item_no = o.item_no AND c.reviewer IS NOT NULL AND c.reviewer <> p_person;
    GET DIAGNOSTICS touched = ROW_COUNT;
    RETURN touched;
END $$;
COMMENT ON FUNCTION lua.hand_on_review IS 'Gives what a person has still to decide in a review to whoever is independent; returns how many items';

DO $owners$
DECLARE
    f regprocedure;
BEGIN
    FOREACH f IN ARRAY ARRAY['lua.withdraw_approvals(uuid, uuid[], text, timestamptz)',
                             'lua.hand_on_review(uuid, uuid, uuid, timestamptz)']::regprocedure[]
    LOOP
        EXECUTE format('ALTER FUNCTION %s OWNER TO lua_definer', f);
        EXECUTE format('REVOKE ALL ON FUNCTION %s FROM PUBLIC', f);
        EXECUTE format('GRANT EXECUTE ON FUNCTION %s TO lua_admin', f);
    END LOOP;
END
$owners$;
