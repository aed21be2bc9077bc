-- How reviews end: whoever does not answer is passed over, decisions become true in the catalog, and what nobody answered for is
-- suspended first and revoked later.
SET LOCAL ROLE lua_owner;

GRANT SELECT ON lua.deployment TO lua_rolekeeper;

-- What is to become of an item now; an error while its reviewer still has time.
CREATE FUNCTION lua.review_wanted(p_review uuid, p_item integer, p_at timestamptz, OUT wanted text, OUT target text)
    LANGUAGE plpgsql STABLE SET search_path = '' AS $$
DECLARE
    one lua.review_item;
    whole lua.review;
BEGIN
    SELECT * INTO one FROM lua.review_item i WHERE i.review_id = p_review AND i.item_no = p_item;
    SELECT * INTO whole FROM lua.review r WHERE r.review_id = p_review;
    SELECT d.decision, d.target INTO wanted, target
    FROM lua.review_decision d WHERE d.review_id = p_review AND d.decision_no = one.decision_no;
    IF one.outcome IN ('kept', 'done', 'undone') THEN
        wanted := 'nothing';
    ELSIF wanted IS NULL AND p_at < whole.due_at THEN
        RAISE EXCEPTION 'item % is not decided, and its reviewer has time until %', p_item, whole.due_at
            USING ERRCODE = 'object_not_in_prerequisite_state';
    ELSIF wanted IS NULL THEN
        wanted := CASE WHEN one.revoke_at IS NULL THEN 'suspend' WHEN one.revoke_at <= p_at THEN 'revoke' ELSE 'nothing' END;
    END IF;
END $$;
COMMENT ON FUNCTION lua.review_wanted IS 'keep, revoke, reduce, suspend or nothing';

-- What was granted on our own objects, our owner takes back. Returns why it could not; what the catalog says decides.
CREATE FUNCTION lua.cut_review(p_review uuid, p_item integer, p_at timestamptz) RETURNS text
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $$
DECLARE
    one lua.review_item;
    wanted text;
    target text;
    stays text[];
    taken text;
BEGIN
    PERFORM lua.require_review_office();
    PERFORM lua.require_time(p_at);
    SELECT * INTO one FROM lua.review_item i WHERE i.review_id = p_review AND i.item_no = p_item;
    SELECT w.wanted, w.target INTO wanted, target FROM lua.review_wanted(p_review, p_item, p_at) AS w;
    IF one.kind <> 'grant' OR one.class NOT IN ('relation', 'function', 'schema') OR wanted NOT IN ('revoke', 'reduce') THEN
        RETURN NULL;
    END IF;
    stays := CASE wanted WHEN 'reduce' THEN string_to_array(target, ', ') ELSE '{}' END;
    BEGIN
        FOREACH taken IN ARRAY coalesce(lua.review_rights(one.class, one.object_id, one.login), '{}') LOOP
            CONTINUE WHEN taken <> ALL (one.rights) OR taken = ANY (stays);
            EXECUTE format('REVOKE %s ON %s FROM %I', taken, CASE one.class
                WHEN 'relation' THEN 'TABLE ' || one.object_id::oid::regclass
                WHEN 'function' THEN 'ROUTINE ' || one.object_id::oid::regprocedure
                ELSE format('SCHEMA %s', one.object_id::oid::regnamespace) END, one.login);
        END LOOP;
    EXCEPTION WHEN insufficient_privilege OR dependent_objects_still_exist OR undefined_object THEN
        RETURN sqlerrm;
    END;
    RETURN NULL;
END $$;
COMMENT ON FUNCTION lua.cut_review IS 'Takes grants on our objects back that a reviewer decided to revoke; returns why not';
RESET ROLE;

-- Only what a reviewer decided, or what nobody answered for in time.
CREATE FUNCTION lua.carry_out_review(p_review uuid, p_item integer, p_at timestamptz, p_entry uuid) RETURNS text
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $$
DECLARE
    one lua.review_item;
    wanted text;
    target text;
    narrow text := CASE WHEN current_setting('server_version_num')::integer >= 160000 THEN ' WITH INHERIT TRUE, SET FALSE' ELSE '' END;
BEGIN
    PERFORM lua.require_review_office();
    PERFORM lua.require_time(p_at);
    SELECT * INTO one FROM lua.review_item i WHERE i.review_id = p_review AND i.item_no = p_item;
    SELECT w.wanted, w.target INTO wanted, target FROM lua.review_wanted(p_review, p_item, p_at) AS w;
    BEGIN
        IF wanted = 'suspend' THEN
            EXECUTE format('ALTER ROLE %I NOLOGIN', one.login);
        ELSIF one.kind = 'membership' AND wanted = 'reduce' AND target = 'no-admin' THEN
            EXECUTE format('REVOKE ADMIN OPTION FOR %I FROM %I', one.object, one.login);
        ELSIF one.kind = 'membership' AND wanted IN ('revoke', 'reduce') THEN
            EXECUTE format('REVOKE %I FROM %I', one.object, one.login);
            -- What was handed out is on record beside the catalog, and so is its end.
            UPDATE lua.login_grant g SET ended_at = greatest(p_at, g.granted_at), ended_by = session_user, entry_id = p_entry
            WHERE g.login = one.login::name AND g.role = one.object AND g.ended_at IS NULL
              AND NOT lua.review_holds(one.login, one.kind, one.class, one.object_id, one.object, one.rights);
        END IF;
    EXCEPTION WHEN insufficient_privilege OR dependent_objects_still_exist OR undefined_object OR invalid_grant_operation THEN
        RETURN sqlerrm;
    END;
    -- Nobody without an undertaking in force is given anything; what they lose they lose all the same.
    IF one.kind = 'membership' AND wanted = 'reduce' AND target <> 'no-admin' AND lua.is_bound(one.person_id, p_at) THEN
        BEGIN
            PERFORM lua.check_duties(one.person_id, ARRAY[target], p_at);
            EXECUTE format('GRANT %I TO %I', target, one.login) || narrow;
            INSERT INTO lua.login_grant (login, role, granted_at, granted_by, entry_id)
            SELECT l.login, target, p_at, session_user, p_entry FROM lua.login l
            WHERE l.login = one.login::name
              AND NOT EXISTS (SELECT FROM lua.login_grant g WHERE g.login = l.login AND g.role = target AND g.ended_at IS NULL);
        EXCEPTION WHEN insufficient_privilege OR undefined_object OR invalid_grant_operation THEN
            RETURN sqlerrm;
        END;
    END IF;
    RETURN NULL;
END $$;
COMMENT ON FUNCTION lua.carry_out_review IS 'Takes a membership, or suspends a login, as was decided; returns why not';

-- Back in: the login that a review suspended, and whose person is still in force.
CREATE FUNCTION lua.lift_review(p_review uuid, p_login text) RETURNS text
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $$
DECLARE
    whose uuid;
    was text;
BEGIN
    PERFORM lua.require_review_office();
    SELECT i.person_id, i.outcome INTO whose, was FROM lua.review_item i
    WHERE i.review_id = p_review AND i.login = p_login AND i.outcome IN ('suspended', 'undone') ORDER BY i.outcome LIMIT 1;
    IF was IS NULL THEN
        RETURN 'this review has not suspended it';
    ELSIF was = 'undone' THEN
        RETURN NULL;
    ELSIF whose IS NOT NULL AND lua.person_of(p_login::name) IS DISTINCT FROM whose THEN
        RETURN 'its person has left';
    END IF;
    BEGIN
        EXECUTE format('ALTER ROLE %I LOGIN', p_login);
    EXCEPTION WHEN insufficient_privilege OR undefined_object THEN
        RETURN sqlerrm;
    END;
    RETURN NULL;
END $$;
COMMENT ON FUNCTION lua.lift_review IS 'Lets a login in again that a review suspended; returns why not';

-- What the catalog says after it, and nothing else, is the outcome.
CREATE FUNCTION lua.settle_review(p_review uuid, p_item integer, p_statement text, p_problem text, p_at timestamptz) RETURNS text
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $$
DECLARE
    one lua.review_item;
    wanted text;
    target text;
    came text;
    later timestamptz;
BEGIN
    PERFORM lua.require_review_office();
    PERFORM lua.require_time(p_at);
    SELECT * INTO one FROM lua.review_item i WHERE i.review_id = p_review AND i.item_no = p_item FOR UPDATE;
    SELECT w.wanted, w.target INTO wanted, target FROM lua.review_wanted(p_review, p_item, p_at) AS w;
    IF wanted = 'nothing' THEN
        RETURN one.outcome;
    ELSIF wanted = 'keep' THEN
        came := 'kept';
    ELSIF wanted = 'suspend' THEN
        came := CASE WHEN EXISTS (SELECT FROM pg_catalog.pg_roles r WHERE r.rolname = one.login AND r.rolcanlogin) THEN 'failed' ELSE 'suspended' END;
        later := CASE came WHEN 'suspended' THEN p_at + make_interval(days => (SELECT r.grace_days::integer FROM lua.review r WHERE r.review_id = p_review)) END;
    ELSIF wanted = 'reduce' AND target = 'no-admin' THEN
        came := CASE WHEN lua.review_holds(one.login, one.kind, one.class, one.object_id, one.object, ARRAY['ADMIN OPTION']) THEN 'failed' ELSE 'done' END;
    ELSIF wanted = 'reduce' AND one.kind = 'membership' THEN
        came := CASE WHEN lua.review_holds(one.login, one.kind, one.class, one.object_id, one.object, one.rights)
                       OR lua.is_bound(one.person_id, p_at)
                          AND NOT lua.review_holds(one.login, one.kind, one.class, 0, target, ARRAY['member']) THEN 'failed' ELSE 'done' END;
    ELSE
        IF wanted = 'reduce' THEN
            one.rights := ARRAY(SELECT u.r FROM unnest(one.rights) AS u (r) WHERE u.r <> ALL (string_to_array(target, ', ')));
        END IF;
        came := CASE WHEN coalesce(lua.review_holds(one.login, one.kind, one.class, one.object_id, one.object, one.rights), true) THEN 'failed' ELSE 'done' END;
        later := one.revoke_at;
    END IF;
    UPDATE lua.review_item i SET outcome = came, settled_at = p_at, revoke_at = later,
        statement = CASE came WHEN 'failed' THEN p_statement END, problem = CASE came WHEN 'failed' THEN p_problem END
    WHERE i.review_id = p_review AND i.item_no = p_item;
    RETURN came;
END $$;
COMMENT ON FUNCTION lua.settle_review IS 'Reads back what became of an item and keeps it; a statement for a superuser where it failed';

-- One step up from whoever did not answer; whom nobody is above, a data protection officer follows.
CREATE FUNCTION lua.escalate_review(p_review uuid, p_at timestamptz)
    RETURNS TABLE (item_no integer, before uuid, reviewer uuid) LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $$
#variable_conflict use_column
DECLARE
    one lua.review_item;
    next_one uuid;
BEGIN
    PERFORM lua.require_review_office();
    PERFORM lua.require_time(p_at);
    FOR one IN SELECT i.* FROM lua.review_item i JOIN lua.review r ON r.review_id = i.review_id
               WHERE i.review_id = p_review AND r.closed_at IS NULL AND i.decision_no IS NULL ORDER BY i.item_no FOR UPDATE OF i LOOP
        SELECT n.reviewer INTO next_one
        FROM lua.person p, lua.review_reviewer(p.manager, one.person_id, one.login, one.kind, one.class, one.object_id, one.object) AS n
        WHERE p.person_id = one.reviewer;
        CONTINUE WHEN next_one IS NULL OR next_one = one.reviewer;
        UPDATE lua.review_item i SET reviewer = next_one, assigned_as = 'escalated', assigned_at = p_at, shown_at = NULL
        WHERE i.review_id = p_review AND i.item_no = one.item_no;
        item_no := one.item_no;
        before := one.reviewer;
        reviewer := next_one;
        RETURN NEXT;
    END LOOP;
END $$;
COMMENT ON FUNCTION lua.escalate_review IS 'Hands what is undecided to whoever is above its reviewer; returns what moved';

-- Never with nobody left who could mend it.
CREATE FUNCTION lua.close_review(p_review uuid, p_outcome bytea, p_at timestamptz, p_entry uuid) RETURNS boolean
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $$
BEGIN
    PERFORM lua.require_review_office();
    PERFORM lua.require_time(p_at);
    IF EXISTS (SELECT FROM lua.review_item i WHERE i.review_id = p_review AND i.outcome IS NULL) THEN
        RAISE EXCEPTION 'the review has items without an outcome' USING ERRCODE = 'object_not_in_prerequisite_state';
    ELSIF NOT EXISTS (SELECT FROM pg_catalog.pg_roles r WHERE r.rolcanlogin AND NOT r.rolsuper AND r.rolname !~ '^lua_'
                      AND pg_has_role(r.oid, 'lua_admin', 'MEMBER')) THEN
        RAISE EXCEPTION 'no administrator who can log in would be left' USING ERRCODE = 'object_not_in_prerequisite_state';
    END IF;
    UPDATE lua.review r SET closed_by = session_user, closed_at = p_at, outcome = p_outcome, close_entry = p_entry
    WHERE r.review_id = p_review AND r.closed_at IS NULL;
    RETURN FOUND;
END $$;
COMMENT ON FUNCTION lua.close_review IS 'Closes a review whose items all have an outcome; false: it was closed already';

CREATE FUNCTION lua.undo_review(p_review uuid, p_login text, p_at timestamptz) RETURNS integer
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $$
DECLARE
    touched integer;
BEGIN
    PERFORM lua.require_review_office();
    PERFORM lua.require_time(p_at);
    IF NOT EXISTS (SELECT FROM pg_catalog.pg_roles r WHERE r.rolname = p_login AND r.rolcanlogin) THEN
        RETURN NULL;
    END IF;
    UPDATE lua.review_item i SET outcome = 'undone', settled_at = p_at, revoke_at = NULL
    WHERE i.review_id = p_review AND i.login = p_login AND i.outcome = 'suspended';
    GET DIAGNOSTICS touched = ROW_COUNT;
    RETURN touched;
END $$;
COMMENT ON FUNCTION lua.undo_review IS 'Keeps that a suspension was lifted, where the catalog says so; returns of how many items, null where it does not';

DO $owners$
DECLARE
    f regprocedure;
BEGIN
    FOREACH f IN ARRAY ARRAY['lua.carry_out_review(uuid, integer, timestamptz, uuid)', 'lua.lift_review(uuid, text)']::regprocedure[] LOOP
        EXECUTE format('ALTER FUNCTION %s OWNER TO lua_rolekeeper', f);
    END LOOP;
    FOREACH f IN ARRAY ARRAY[
        'lua.settle_review(uuid, integer, text, text, timestamptz)', 'lua.escalate_review(uuid, timestamptz)',
        'lua.close_review(uuid, bytea, timestamptz, uuid)', 'lua.undo_review(uuid, text, timestamptz)']::regprocedure[] LOOP
        EXECUTE format('ALTER FUNCTION %s OWNER TO lua_definer', f);
    END LOOP;
    FOREACH f IN ARRAY ARRAY[
        'lua.carry_out_review(uuid, integer, timestamptz, uuid)', 'lua.cut_review(uuid, integer, timestamptz)', 'lua.lift_review(uuid, text)',
        'lua.settle_review(uuid, integer, text, text, timestamptz)', 'lua.escalate_review(uuid, timestamptz)',
        'lua.close_review(uuid, bytea, timestamptz, uuid)', 'lua.undo_review(uuid, text, timestamptz)']::regprocedure[] LOOP
        EXECUTE format('REVOKE ALL ON FUNCTION %s FROM PUBLIC', f);
        EXECUTE format('GRANT EXECUTE ON FUNCTION %s TO lua_admin, lua_dpo', f);
    END LOOP;
END
$owners$;
REVOKE ALL ON FUNCTION lua.review_wanted(uuid, integer, timestamptz) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION lua.review_wanted(uuid, integer, timestamptz) TO lua_definer, lua_rolekeeper, lua_admin, lua_dpo;
GRANT EXECUTE ON FUNCTION lua.review_acl(text, bigint), lua.review_rights(text, bigint, text),
    lua.review_holds(text, text, text, bigint, text, text[]) TO lua_rolekeeper;
GRANT EXECUTE ON FUNCTION lua.require_time(timestamptz), lua.is_bound(uuid, timestamptz), lua.person_of(name) TO lua_rolekeeper;
