-- Reviews of access: a frozen picture of who holds what, reviewers who are not their own judges, decisions in a chain of
-- digests, and what the catalog says of each afterwards (docs/design/review.md). They belong to no tenant and name people by ids.

-- What reviewers decided is carried out by lua_rolekeeper: it may take and give the group roles, and has none of their rights.
DO $roles$
DECLARE
    taken text;
BEGIN
    FOREACH taken IN ARRAY ARRAY['lua_admin', 'lua_operator', 'lua_responder', 'lua_auditor', 'lua_dpo', 'lua_accounting', 'lua_ai'] LOOP
        IF NOT EXISTS (SELECT FROM pg_catalog.pg_auth_members m
                       WHERE m.roleid = taken::regrole AND m.member = 'lua_rolekeeper'::regrole AND m.admin_option) THEN
            EXECUTE format('GRANT %I TO lua_rolekeeper WITH ADMIN ', taken)
                || CASE WHEN current_setting('server_version_num')::integer >= 160000 THEN 'TRUE, INHERIT FALSE, SET FALSE' ELSE 'OPTION' END;
        END IF;
    END LOOP;
END
$roles$;

SET LOCAL ROLE lua_owner;
CREATE TABLE lua.review (
    review_id   uuid PRIMARY KEY,
    series      uuid NOT NULL REFERENCES lua.review,
    title       text NOT NULL CHECK (title <> '' AND length(title) <= 200),
    months      smallint CHECK (months BETWEEN 1 AND 36),
    snapshot    bytea NOT NULL CHECK (length(snapshot) <= 67108864),
    digest      bytea NOT NULL CHECK (digest = sha256(snapshot)),
    decisions   integer NOT NULL DEFAULT 0 CHECK (decisions >= 0),
    head        bytea NOT NULL CHECK (length(head) = 32),
    due_at      timestamptz NOT NULL,
    grace_days  smallint NOT NULL CHECK (grace_days BETWEEN 0 AND 90),
    opened_by   text NOT NULL,
    opened_at   timestamptz NOT NULL,
    entry_id    uuid NOT NULL,
    closed_by   text,
    closed_at   timestamptz,
    outcome     bytea,
    close_entry uuid,
    CHECK (due_at > opened_at),
    CHECK (decisions > 0 OR head = digest),
    CHECK (num_nulls(closed_by, closed_at, outcome, close_entry) IN (0, 4)),
    CHECK (closed_at >= opened_at)
);
COMMENT ON TABLE lua.review IS 'Reviews of access: what was frozen, and how each ended; never removed';
COMMENT ON COLUMN lua.review.series IS 'The first of those that come again; its own id for that one';
COMMENT ON COLUMN lua.review.months IS 'After how many months the next one is due; null: once';
COMMENT ON COLUMN lua.review.snapshot IS 'Canonical JSON: server, LSN, time, queries, population, items';
COMMENT ON COLUMN lua.review.head IS 'Digest of the last decision in the chain, which begins with the digest of the snapshot';
COMMENT ON COLUMN lua.review.grace_days IS 'How long a login whose access nobody answered for is suspended before it is revoked';
COMMENT ON COLUMN lua.review.outcome IS 'Canonical JSON: what was carried out, and what was granted since the snapshot';
CREATE INDEX review_series ON lua.review (series);

CREATE TABLE lua.review_item (
    review_id   uuid NOT NULL REFERENCES lua.review,
    item_no     integer NOT NULL CHECK (item_no > 0),
    login       text NOT NULL CHECK (login <> ''),
    person_id   uuid REFERENCES lua.person,
    kind        text NOT NULL CHECK (kind IN ('membership', 'grant', 'owner', 'attribute')),
    class       text NOT NULL,
    object_id   bigint NOT NULL,
    object      text NOT NULL CHECK (object <> ''),
    rights      text[] NOT NULL CHECK (cardinality(rights) > 0 AND array_position(rights, NULL) IS NULL),
    reviewer    uuid NOT NULL REFERENCES lua.person,
    assigned_as text NOT NULL CHECK (assigned_as IN ('manager', 'owner', 'above', 'dpo', 'delegated', 'escalated')),
    assigned_at timestamptz NOT NULL,
    shown_at    timestamptz,
    decision_no integer,
    outcome     text CHECK (outcome IN ('kept', 'done', 'failed', 'suspended', 'undone')),
    statement   text,
    problem     text,
    revoke_at   timestamptz,
    settled_at  timestamptz,
    PRIMARY KEY (review_id, item_no),
    CHECK (reviewer <> person_id),
    CHECK (decision_no IS NULL OR shown_at IS NOT NULL),
    CHECK ((outcome IS NULL) = (settled_at IS NULL)),
    CHECK ((outcome = 'failed') = (statement IS NOT NULL) OR outcome IS NULL AND statement IS NULL),
    CHECK ((outcome = 'suspended') <= (revoke_at IS NOT NULL))
);
COMMENT ON TABLE lua.review_item IS 'What a review is about: one login and one thing that it was given; the snapshot says the same';
COMMENT ON COLUMN lua.review_item.person_id IS 'Whose login it is; null: nobody''s in force';
COMMENT ON COLUMN lua.review_item.object IS 'A role, an object as it stands in a statement, or an attribute';
COMMENT ON COLUMN lua.review_item.rights IS 'member, ADMIN OPTION; privileges; owner; the attribute';
COMMENT ON COLUMN lua.review_item.shown_at IS 'When it was first shown to its reviewer, by the server''s clock';
COMMENT ON COLUMN lua.review_item.decision_no IS 'The decision that counts';
COMMENT ON COLUMN lua.review_item.outcome IS 'done: the catalog says so; failed: the statement is for a superuser; undone: a suspension was lifted';
CREATE INDEX review_item_reviewer ON lua.review_item (reviewer, review_id) WHERE settled_at IS NULL;

CREATE TABLE lua.review_decision (
    review_id    uuid NOT NULL,
    decision_no  integer NOT NULL CHECK (decision_no > 0),
    item_no      integer NOT NULL,
    decision     text NOT NULL CHECK (decision IN ('keep', 'revoke', 'reduce', 'delegate', 'withdraw')),
    reason       text CHECK (reason <> '' AND length(reason) <= 200),
    target       text CHECK (target <> '' AND length(target) <= 200),
    person_id    uuid NOT NULL REFERENCES lua.person,
    decided_by   text NOT NULL,
    shown_at     timestamptz NOT NULL,
    decided_at   timestamptz NOT NULL,
    milliseconds bigint NOT NULL CHECK (milliseconds >= 0),
    batch        integer NOT NULL CHECK (batch > 0),
    body         bytea NOT NULL,
    hash         bytea NOT NULL CHECK (length(hash) = 32),
    entry_id     uuid NOT NULL,
    PRIMARY KEY (review_id, decision_no),
    FOREIGN KEY (review_id, item_no) REFERENCES lua.review_item,
    CHECK ((decision IN ('reduce', 'delegate')) = (target IS NOT NULL)),
    CHECK (decision IN ('keep', 'withdraw') OR reason IS NOT NULL)
);
COMMENT ON TABLE lua.review_decision IS 'Who decided what when; a change of mind is a new row';
COMMENT ON COLUMN lua.review_decision.decision IS 'withdraw: the one before no longer counts, and the item waits again';
COMMENT ON COLUMN lua.review_decision.target IS 'Of reduce: a smaller role, no-admin, or the privileges that stay; of delegate: the id of a person';
COMMENT ON COLUMN lua.review_decision.milliseconds IS 'Since it was shown or, if that is later, since the reviewer''s decision before; shared by a batch';
COMMENT ON COLUMN lua.review_decision.batch IS 'How many were decided at once';
COMMENT ON COLUMN lua.review_decision.hash IS 'SHA-256 of the digest before it and the body';
CREATE INDEX review_decision_item ON lua.review_decision (review_id, item_no);

GRANT SELECT ON lua.review, lua.review_item, lua.review_decision
    TO lua_admin, lua_operator, lua_responder, lua_auditor, lua_dpo, lua_accounting;
GRANT SELECT ON lua.review, lua.review_item, lua.review_decision TO lua_rolekeeper;
GRANT SELECT, INSERT, UPDATE (decisions, head, closed_by, closed_at, outcome, close_entry) ON lua.review TO lua_definer;
GRANT SELECT, INSERT, UPDATE (reviewer, assigned_as, assigned_at, shown_at, decision_no, outcome, statement, problem, revoke_at, settled_at)
    ON lua.review_item TO lua_definer;
GRANT SELECT, INSERT ON lua.review_decision TO lua_definer;

-- Who opens, escalates and closes: administrators and the data protection officer. They decide nothing by that.
CREATE FUNCTION lua.require_review_office() RETURNS boolean
    LANGUAGE plpgsql STABLE SET search_path = '' AS $$
BEGIN
    IF (pg_has_role(session_user, 'lua_admin', 'MEMBER') OR pg_has_role(session_user, 'lua_dpo', 'MEMBER'))
       AND session_user !~ '^lua_t[0-9]' THEN
        RETURN true;
    END IF;
    RAISE EXCEPTION 'only lua_admin and lua_dpo do this, not %', session_user USING ERRCODE = 'insufficient_privilege';
END $$;
COMMENT ON FUNCTION lua.require_review_office IS 'True, or an error: whether session_user may open and close reviews';

CREATE FUNCTION lua.review_acl(p_class text, p_oid bigint, OUT owner oid, OUT items aclitem[])
    LANGUAGE sql STABLE SET search_path = '' AS $$
    SELECT c.relowner, coalesce(c.relacl, acldefault(CASE c.relkind WHEN 'S' THEN 's' ELSE 'r' END::"char", c.relowner))
    FROM pg_catalog.pg_class c WHERE p_class = 'relation' AND c.oid = p_oid
    UNION ALL
    SELECT p.proowner, coalesce(p.proacl, acldefault('f', p.proowner)) FROM pg_catalog.pg_proc p WHERE p_class = 'function' AND p.oid = p_oid
    UNION ALL
    SELECT n.nspowner, coalesce(n.nspacl, acldefault('n', n.nspowner)) FROM pg_catalog.pg_namespace n WHERE p_class = 'schema' AND n.oid = p_oid
    UNION ALL
    SELECT d.datdba, coalesce(d.datacl, acldefault('d', d.datdba)) FROM pg_catalog.pg_database d WHERE p_class = 'database' AND d.oid = p_oid
    UNION ALL
    SELECT t.typowner, coalesce(t.typacl, acldefault('T', t.typowner)) FROM pg_catalog.pg_type t WHERE p_class = 'type' AND t.oid = p_oid
$$;
COMMENT ON FUNCTION lua.review_acl IS 'Owner and grants of an object; no row for one that is gone, or of another class';

CREATE FUNCTION lua.review_rights(p_class text, p_oid bigint, p_login text) RETURNS text[]
    LANGUAGE sql STABLE SET search_path = '' AS $$
    SELECT array_agg(f.privilege ORDER BY f.privilege) FROM (
        SELECT x.privilege_type AS privilege FROM lua.review_acl(p_class, p_oid) AS a, aclexplode(a.items) AS x
        JOIN pg_catalog.pg_roles r ON r.oid = x.grantee WHERE r.rolname = p_login
        UNION
        SELECT format('%s (%I)', x.privilege_type, c.attname) FROM pg_catalog.pg_attribute c, aclexplode(c.attacl) AS x
        JOIN pg_catalog.pg_roles r ON r.oid = x.grantee
        WHERE p_class = 'relation' AND c.attrelid = p_oid AND c.attnum > 0 AND NOT c.attisdropped AND r.rolname = p_login) AS f
$$;
COMMENT ON FUNCTION lua.review_rights IS 'What a login was granted on an object by itself, columns after their privilege; null: nothing';

-- Whether the catalog still has what an item is about; null: it cannot tell for such an object.
CREATE FUNCTION lua.review_holds(p_login text, p_kind text, p_class text, p_oid bigint, p_object text, p_rights text[]) RETURNS boolean
    LANGUAGE sql STABLE SET search_path = '' AS $$
    SELECT CASE p_kind
        WHEN 'membership' THEN EXISTS (
            SELECT FROM pg_catalog.pg_auth_members m JOIN pg_catalog.pg_roles r ON r.oid = m.roleid JOIN pg_catalog.pg_roles l ON l.oid = m.member
            WHERE r.rolname = p_object AND l.rolname = p_login AND (p_rights <> ARRAY['ADMIN OPTION'] OR m.admin_option))
        WHEN 'attribute' THEN EXISTS (
            SELECT FROM pg_catalog.pg_roles l WHERE l.rolname = p_login
            AND CASE p_object WHEN 'SUPERUSER' THEN l.rolsuper WHEN 'BYPASSRLS' THEN l.rolbypassrls WHEN 'CREATEROLE' THEN l.rolcreaterole
                              WHEN 'CREATEDB' THEN l.rolcreatedb WHEN 'REPLICATION' THEN l.rolreplication END)
        WHEN 'owner' THEN CASE WHEN p_class IN ('relation', 'function', 'schema', 'database', 'type') THEN EXISTS (
            SELECT FROM lua.review_acl(p_class, p_oid) AS a JOIN pg_catalog.pg_roles l ON l.oid = a.owner WHERE l.rolname = p_login) END
        ELSE CASE WHEN p_class IN ('relation', 'function', 'schema', 'database', 'type')
                  THEN coalesce(lua.review_rights(p_class, p_oid, p_login) && p_rights, false) END
    END
$$;
COMMENT ON FUNCTION lua.review_holds IS 'Whether a login holds by itself what it was given, or any of several rights; null: the catalog is not asked for such objects';
RESET ROLE;

-- Nobody reviews their own access, nor what they could give somebody themselves: by ADMIN OPTION, ownership or grant option, as
-- administrators, who hand out the roles of this schema, or as superuser.
CREATE FUNCTION lua.review_conflict(
    p_reviewer uuid, p_person uuid, p_login text, p_kind text, p_class text, p_oid bigint, p_object text
) RETURNS text LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = '' AS $$
DECLARE
    mine oid[];
BEGIN
    mine := ARRAY(SELECT r.oid FROM lua.person_login l JOIN lua.person p ON p.person_id = l.person_id
                  JOIN pg_catalog.pg_roles r ON r.rolname = l.login
                  WHERE l.person_id = p_reviewer AND l.ended_at IS NULL AND p.ended_at IS NULL AND p.kind <> 'job' AND r.rolcanlogin);
    IF cardinality(mine) = 0 THEN
        RETURN 'nobody in force who can log in';
    ELSIF p_reviewer = p_person OR EXISTS (SELECT FROM pg_catalog.pg_roles r WHERE r.oid = ANY (mine) AND r.rolname = p_login) THEN
        RETURN 'it is their own access';
    ELSIF EXISTS (SELECT FROM pg_catalog.pg_roles r WHERE r.oid = ANY (mine) AND (r.rolsuper OR r.rolcreaterole)) THEN
        RETURN 'a superuser, or may make roles';
    ELSIF p_kind = 'membership' AND p_object ~ '^lua_' AND EXISTS (
        SELECT FROM unnest(mine) AS l (id) WHERE pg_has_role(l.id, 'lua_admin', 'MEMBER')) THEN
        RETURN 'an administrator, who gives this role';
    ELSIF p_kind = 'membership' AND EXISTS (
        SELECT FROM pg_catalog.pg_auth_members m JOIN pg_catalog.pg_roles r ON r.oid = m.roleid, unnest(mine) AS l (id)
        WHERE r.rolname = p_object AND m.admin_option AND pg_has_role(l.id, m.member, 'MEMBER')) THEN
        RETURN 'has ADMIN OPTION on this role';
    ELSIF p_kind IN ('grant', 'owner') AND EXISTS (
        SELECT FROM lua.review_acl(p_class, p_oid) AS a, unnest(mine) AS l (id)
        WHERE pg_has_role(l.id, a.owner, 'MEMBER')
           OR EXISTS (SELECT FROM aclexplode(a.items) AS x
                      WHERE x.is_grantable AND x.grantee <> 0 AND pg_has_role(l.id, x.grantee, 'MEMBER'))) THEN
        RETURN 'owns it, or may pass it on';
    END IF;
    RETURN NULL;
END $$;
COMMENT ON FUNCTION lua.review_conflict IS 'Why somebody may not review an item; null: they may';

-- The one who is meant, else whoever is above them, else a data protection officer: the first who is independent.
CREATE FUNCTION lua.review_reviewer(
    p_first uuid, p_person uuid, p_login text, p_kind text, p_class text, p_oid bigint, p_object text, OUT reviewer uuid, OUT chosen text
) LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = '' AS $$
BEGIN
    reviewer := p_first;
    chosen := 'first';
    WHILE reviewer IS NOT NULL LOOP
        IF lua.review_conflict(reviewer, p_person, p_login, p_kind, p_class, p_oid, p_object) IS NULL THEN
            RETURN;
        END IF;
        SELECT p.manager INTO reviewer FROM lua.person p WHERE p.person_id = reviewer;
        chosen := 'above';
    END LOOP;
    chosen := 'dpo';
    SELECT p.person_id INTO reviewer
    FROM lua.person p
    WHERE EXISTS (SELECT FROM lua.person_login l JOIN pg_catalog.pg_roles r ON r.rolname = l.login
                  WHERE l.person_id = p.person_id AND l.ended_at IS NULL AND pg_has_role(r.oid, 'lua_dpo', 'MEMBER'))
      AND lua.review_conflict(p.person_id, p_person, p_login, p_kind, p_class, p_oid, p_object) IS NULL
    ORDER BY p.started_on, p.person_id LIMIT 1;
END $$;
COMMENT ON FUNCTION lua.review_reviewer IS 'Who reviews an item, beginning with somebody: first, above or dpo; null: nobody is independent';

-- The population is complete, or nothing is opened: each login that can log in stands in the snapshot, and no other.
CREATE FUNCTION lua.open_review(
    p_id uuid, p_series uuid, p_title text, p_months smallint, p_snapshot bytea, p_due timestamptz, p_grace smallint, p_at timestamptz, p_entry uuid
) RETURNS integer LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $$
DECLARE
    said jsonb := convert_from(p_snapshot, 'UTF8')::jsonb;
    taken integer;
    wrong record;
BEGIN
    PERFORM lua.require_time(p_at);
    IF EXISTS ((SELECT r.rolname::text FROM pg_catalog.pg_roles r WHERE r.rolcanlogin
                EXCEPT SELECT l.value ->> 'login' FROM jsonb_array_elements(said -> 'population') AS l)
               UNION ALL
               (SELECT l.value ->> 'login' FROM jsonb_array_elements(said -> 'population') AS l
                EXCEPT SELECT r.rolname::text FROM pg_catalog.pg_roles r WHERE r.rolcanlogin)) THEN
        RAISE EXCEPTION 'the snapshot does not have the logins that there are' USING ERRCODE = 'serialization_failure';
    END IF;
    INSERT INTO lua.review (review_id, series, title, months, snapshot, digest, head, due_at, grace_days, opened_by, opened_at, entry_id)
    VALUES (p_id, p_series, p_title, p_months, p_snapshot, sha256(p_snapshot), sha256(p_snapshot), p_due, p_grace, session_user, p_at, p_entry);
    INSERT INTO lua.review_item (review_id, item_no, login, person_id, kind, class, object_id, object, rights, reviewer, assigned_as, assigned_at)
    SELECT p_id, i.no, i.login, i.person, i.kind, i.class, i.oid, i.object, i.rights, i.reviewer, i.assigned_as, p_at
    FROM jsonb_to_recordset(said -> 'items') AS i (no integer, login text, person uuid, kind text, class text, oid bigint, object text,
                                                   rights text[], reviewer uuid, assigned_as text);
    GET DIAGNOSTICS taken = ROW_COUNT;
    IF taken = 0 THEN
        RAISE EXCEPTION 'there is nothing to review' USING ERRCODE = 'check_violation';
    END IF;
    SELECT i.item_no, c.why INTO wrong
    FROM lua.review_item i,
         lua.review_conflict(i.reviewer, i.person_id, i.login, i.kind, i.class, i.object_id, i.object) AS c (why)
    WHERE i.review_id = p_id AND (c.why IS NOT NULL OR i.person_id IS DISTINCT FROM lua.person_of(i.login::name)
                                  OR i.assigned_as IN ('delegated', 'escalated')) LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'item % cannot be reviewed by whom it names: %', wrong.item_no, coalesce(wrong.why, 'the register of people has changed')
            USING ERRCODE = 'insufficient_privilege';
    END IF;
    RETURN taken;
END $$;
COMMENT ON FUNCTION lua.open_review IS 'Keeps a snapshot and its items; returns how many';

CREATE FUNCTION lua.show_review(p_review uuid, p_items integer[]) RETURNS integer
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $$
DECLARE
    touched integer;
BEGIN
    UPDATE lua.review_item i SET shown_at = clock_timestamp()
    FROM lua.review r
    WHERE i.review_id = p_review AND i.item_no = ANY (p_items) AND i.shown_at IS NULL AND i.reviewer = lua.person_of(session_user)
      AND r.review_id = p_review AND r.closed_at IS NULL;
    GET DIAGNOSTICS touched = ROW_COUNT;
    RETURN touched;
END $$;
COMMENT ON FUNCTION lua.show_review IS 'Writes down that items were shown to their reviewer, for the first time; returns how many';

-- One decision after the other, whoever decides: the row of the review is locked, and each digest takes in the one before.
CREATE FUNCTION lua.decide_review(
    p_review uuid, p_items integer[], p_decision text, p_reason text, p_target text, p_at timestamptz, p_entry uuid
) RETURNS integer LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $$
DECLARE
    me uuid := lua.person_of(session_user);
    numbers integer[] := ARRAY(SELECT DISTINCT u.no FROM unnest(p_items) AS u (no) ORDER BY 1);
    since timestamptz;
    now_is timestamptz;
    taken integer := 0;
    whole lua.review;
    one lua.review_item;
    spent bigint;
    why text;
    said bytea;
BEGIN
    PERFORM lua.require_time(p_at);
    SELECT * INTO whole FROM lua.review r WHERE r.review_id = p_review FOR UPDATE;
    now_is := clock_timestamp();
    IF whole.review_id IS NULL OR whole.closed_at IS NOT NULL THEN
        RAISE EXCEPTION 'the review is closed, or there is none' USING ERRCODE = 'object_not_in_prerequisite_state';
    END IF;
    SELECT max(d.decided_at) INTO since FROM lua.review_decision d WHERE d.review_id = p_review AND d.person_id = me;
    FOR one IN SELECT i.* FROM lua.review_item i WHERE i.review_id = p_review AND i.item_no = ANY (numbers)
               -- The same again is nothing new, and what waits has nothing to withdraw.
               AND (p_decision <> 'withdraw' OR i.decision_no IS NOT NULL)
               AND NOT EXISTS (SELECT FROM lua.review_decision d WHERE d.review_id = p_review AND d.decision_no = i.decision_no
                               AND (d.decision, d.person_id) = (p_decision, me) AND d.reason IS NOT DISTINCT FROM p_reason
                               AND d.target IS NOT DISTINCT FROM p_target)
               ORDER BY i.item_no LOOP
        why := lua.review_conflict(me, one.person_id, one.login, one.kind, one.class, one.object_id, one.object);
        IF one.reviewer IS DISTINCT FROM me OR why IS NOT NULL THEN
            RAISE EXCEPTION 'item % is not for % to decide%', one.item_no, session_user, coalesce(': ' || why, '')
                USING ERRCODE = 'insufficient_privilege';
        ELSIF one.shown_at IS NULL THEN
            RAISE EXCEPTION 'item % was never shown to %', one.item_no, session_user USING ERRCODE = 'object_not_in_prerequisite_state';
        END IF;
        IF p_decision = 'reduce' AND NOT (
            CASE one.kind WHEN 'membership' THEN p_target IN ('no-admin', 'lua_operator', 'lua_responder', 'lua_auditor', 'lua_accounting')
                                                 AND p_target <> one.object
                          WHEN 'grant' THEN string_to_array(p_target, ', ') <@ one.rights AND NOT one.rights <@ string_to_array(p_target, ', ')
                          ELSE false END) THEN
            RAISE EXCEPTION 'item % cannot be reduced to %', one.item_no, p_target USING ERRCODE = 'check_violation';
        ELSIF p_decision = 'delegate' THEN
            why := lua.review_conflict(p_target::uuid, one.person_id, one.login, one.kind, one.class, one.object_id, one.object);
            IF why IS NOT NULL OR p_target::uuid = me THEN
                RAISE EXCEPTION 'item % cannot be delegated to them: %', one.item_no, coalesce(why, 'it is theirs')
                    USING ERRCODE = 'insufficient_privilege';
            END IF;
        END IF;
        spent := extract(epoch FROM now_is - greatest(one.shown_at, since)) * 1000 / cardinality(numbers);
        whole.decisions := whole.decisions + 1;
        taken := taken + 1;
        -- RFC 8785: names in order, no spaces.
        said := convert_to(concat(
            '{"batch":', cardinality(numbers), ',"by":', to_json(session_user::text),
            ',"decided_at":"', to_char(now_is AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'), '","decision":"', p_decision,
            '","item":', one.item_no, ',"ms":', spent, ',"no":', whole.decisions, ',"person":"', me, '","reason":',
            coalesce(to_json(p_reason)::text, 'null'), ',"review":"', p_review, '","shown_at":"',
            to_char(one.shown_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'), '","target":',
            coalesce(to_json(p_target)::text, 'null'), ',"v":1}'), 'UTF8');
        whole.head := sha256(whole.head || said);
        INSERT INTO lua.review_decision (review_id, decision_no, item_no, decision, reason, target, person_id, decided_by, shown_at,
                                         decided_at, milliseconds, batch, body, hash, entry_id)
        VALUES (p_review, whole.decisions, one.item_no, p_decision, p_reason, p_target, me, session_user, one.shown_at, now_is, spent,
                cardinality(numbers), said, whole.head, p_entry);
        IF p_decision = 'delegate' THEN
            UPDATE lua.review_item i SET reviewer = p_target::uuid, assigned_as = 'delegated', assigned_at = p_at, shown_at = NULL, decision_no = NULL
            WHERE i.review_id = p_review AND i.item_no = one.item_no;
        ELSE
            UPDATE lua.review_item i SET decision_no = CASE p_decision WHEN 'withdraw' THEN NULL ELSE whole.decisions END WHERE i.review_id = p_review AND i.item_no = one.item_no;
        END IF;
    END LOOP;
    IF (SELECT count(*) FROM lua.review_item i WHERE i.review_id = p_review AND i.item_no = ANY (numbers)) <> cardinality(numbers) THEN
        RAISE EXCEPTION 'the review has no such item' USING ERRCODE = 'check_violation';
    END IF;
    UPDATE lua.review r SET decisions = whole.decisions, head = whole.head WHERE r.review_id = p_review;
    RETURN taken;
END $$;
COMMENT ON FUNCTION lua.decide_review IS 'Records decisions of session_user on items of theirs, one batch; returns how many are new';

DO $owners$
DECLARE
    f regprocedure;
BEGIN
    FOREACH f IN ARRAY ARRAY[
        'lua.review_conflict(uuid, uuid, text, text, text, bigint, text)', 'lua.review_reviewer(uuid, uuid, text, text, text, bigint, text)',
        'lua.open_review(uuid, uuid, text, smallint, bytea, timestamptz, smallint, timestamptz, uuid)', 'lua.show_review(uuid, integer[])',
        'lua.decide_review(uuid, integer[], text, text, text, timestamptz, uuid)']::regprocedure[]
    LOOP
        EXECUTE format('ALTER FUNCTION %s OWNER TO lua_definer', f);
        EXECUTE format('REVOKE ALL ON FUNCTION %s FROM PUBLIC', f);
    END LOOP;
END
$owners$;
REVOKE ALL ON FUNCTION lua.require_review_office(), lua.review_acl(text, bigint), lua.review_rights(text, bigint, text),
    lua.review_holds(text, text, text, bigint, text, text[]) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION lua.require_review_office() TO lua_definer, lua_rolekeeper;
GRANT EXECUTE ON FUNCTION lua.review_acl(text, bigint), lua.review_rights(text, bigint, text) TO lua_definer;
GRANT EXECUTE ON FUNCTION lua.review_acl(text, bigint), lua.review_rights(text, bigint, text),
    lua.review_holds(text, text, text, bigint, text, text[]), lua.review_conflict(uuid, uuid, text, text, text, bigint, text),
    lua.show_review(uuid, integer[]), lua.decide_review(uuid, integer[], text, text, text, timestamptz, uuid)
    TO lua_admin, lua_operator, lua_responder, lua_auditor, lua_dpo, lua_accounting;
GRANT EXECUTE ON FUNCTION lua.review_holds(text, text, text, bigint, text, text[]) TO lua_definer;
GRANT EXECUTE ON FUNCTION lua.review_reviewer(uuid, uuid, text, text, text, bigint, text),
    lua.open_review(uuid, uuid, text, smallint, bytea, timestamptz, smallint, timestamptz, uuid) TO lua_admin, lua_dpo;
