-- Processors that Lua CRM engages (Art. 28(2), (4) GDPR), and what each is told: that data of a tenant, or of a person,
-- must go (Art. 28(3)(g), Art. 19). The register belongs to no tenant; notices do, and outlive what they are about.
SET LOCAL ROLE lua_owner;

CREATE TABLE lua.processor (
    processor_id uuid PRIMARY KEY,
    slug         text NOT NULL UNIQUE CHECK (slug ~ '^[a-z0-9]+(-[a-z0-9]+)*$' AND length(slug) <= 63),
    name         text NOT NULL CHECK (name <> '' AND length(name) <= 200),
    service      text NOT NULL CHECK (service IN ('cloud', 'payment', 'authentication', 'communication')),
    country      text NOT NULL CHECK (country ~ '^[A-Z]{2}$'),
    contact      text NOT NULL CHECK (contact <> '' AND length(contact) <= 200),
    channel      text NOT NULL CHECK (channel ~ '^(manual|command:[a-z0-9]+(-[a-z0-9]+)*)$' AND length(channel) <= 71),
    every_tenant boolean NOT NULL,
    used_since   date NOT NULL,
    used_until   date,
    updated_by   text NOT NULL,
    updated_at   timestamptz NOT NULL,
    entry_id     uuid NOT NULL,
    CHECK (used_until >= used_since)
);
COMMENT ON TABLE lua.processor IS 'Processors whom Lua CRM engages; never removed: what each was told refers to it';
COMMENT ON COLUMN lua.processor.contact IS 'Where notices go: the address of a role, of no private person';
COMMENT ON COLUMN lua.processor.channel IS 'How a notice reaches it: somebody sends it, or the program of that name on the host that sends';
COMMENT ON COLUMN lua.processor.every_tenant IS 'Whether it works for all tenants; else for those in lua.processor_tenant';
COMMENT ON COLUMN lua.processor.used_until IS 'The last day of its use; null: until further notice';

CREATE TABLE lua.processor_tenant (
    tenant_id    bigint NOT NULL REFERENCES lua.tenant,
    processor_id uuid NOT NULL REFERENCES lua.processor,
    PRIMARY KEY (tenant_id, processor_id)
);
COMMENT ON TABLE lua.processor_tenant IS 'For whom a processor works that does not work for all';
SELECT lua.imitate('lua.tenant', 'lua.processor_tenant');

CREATE TABLE lua.processor_notice (
    tenant_id    bigint NOT NULL REFERENCES lua.tenant,
    notice_id    uuid NOT NULL,
    processor_id uuid NOT NULL REFERENCES lua.processor,
    cause        text NOT NULL CHECK (cause IN ('termination', 'erasure')),
    cause_id     uuid NOT NULL,
    created_at   timestamptz NOT NULL,
    attempts     integer NOT NULL DEFAULT 0 CHECK (attempts >= 0),
    attempted_at timestamptz,
    problem      text CHECK (problem <> '' AND length(problem) <= 300),
    sent_at      timestamptz,
    sent_by      text,
    sent_how     text CHECK (sent_how <> '' AND length(sent_how) <= 200),
    deleted_on   date,
    confirmed_at timestamptz,
    confirmed_by text,
    confirmation text CHECK (confirmation <> '' AND length(confirmation) <= 200),
    PRIMARY KEY (tenant_id, notice_id),
    UNIQUE (tenant_id, processor_id, cause, cause_id),
    CHECK ((attempts = 0) = (attempted_at IS NULL)),
    CHECK (problem IS NULL OR attempts > 0),
    CHECK (num_nulls(sent_at, sent_by, sent_how) IN (0, 3)),
    CHECK (num_nulls(deleted_on, confirmed_at, confirmed_by, confirmation) IN (0, 4)),
    CHECK (confirmed_at IS NULL OR sent_at IS NOT NULL)
);
COMMENT ON TABLE lua.processor_notice IS 'What processors are told: open → sent → confirmed; one a processor and cause';
COMMENT ON COLUMN lua.processor_notice.cause_id IS 'The termination or erasure; whom it concerns stands there, by ids that name nobody';
COMMENT ON COLUMN lua.processor_notice.problem IS 'Why the newest attempt did not reach it';
COMMENT ON COLUMN lua.processor_notice.deleted_on IS 'Since when the data are gone, as the processor says';
COMMENT ON COLUMN lua.processor_notice.confirmation IS 'Where its word is found';
-- Whoever looks for what is not confirmed reads few of many.
CREATE INDEX processor_notice_open ON lua.processor_notice (tenant_id, created_at) WHERE confirmed_at IS NULL;
SELECT lua.imitate('lua.tenant', 'lua.processor_notice');

GRANT SELECT ON lua.processor, lua.processor_tenant, lua.processor_notice
    TO lua_admin, lua_operator, lua_responder, lua_auditor, lua_dpo;
GRANT SELECT, INSERT, UPDATE (name, service, country, contact, channel, every_tenant, used_since, used_until, updated_by, updated_at, entry_id)
    ON lua.processor TO lua_definer;
GRANT SELECT, INSERT, DELETE ON lua.processor_tenant TO lua_definer;
GRANT SELECT, INSERT, UPDATE (attempts, attempted_at, problem, sent_at, sent_by, sent_how, deleted_on, confirmed_at, confirmed_by, confirmation)
    ON lua.processor_notice TO lua_definer;
GRANT SELECT ON lua.erasure_subject TO lua_definer;
RESET ROLE;

CREATE FUNCTION lua.processors()
    RETURNS TABLE (slug text, name text, service text, country text, contact text, channel text, used_since date, used_until date,
                   tenants text[], unconfirmed bigint, processor_id uuid)
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = '' AS $$
    SELECT p.slug, p.name, p.service, p.country, p.contact, p.channel, p.used_since, p.used_until,
           CASE WHEN NOT p.every_tenant THEN
               ARRAY(SELECT d.slug FROM lua.processor_tenant t JOIN lua.tenant_directory d ON d.tenant_id = t.tenant_id
                     WHERE t.processor_id = p.processor_id ORDER BY d.slug) END,
           (SELECT count(*) FROM lua.processor_notice n WHERE n.processor_id = p.processor_id AND n.confirmed_at IS NULL),
           p.processor_id
    FROM lua.processor p ORDER BY p.slug
$$;
COMMENT ON FUNCTION lua.processors IS 'The register of processors; tenants is null where it works for all';

CREATE FUNCTION lua.put_processor(
    p_id uuid, p_slug text, p_name text, p_service text, p_country text, p_contact text, p_channel text, p_since date, p_until date,
    p_tenants text[], p_at timestamptz, p_entry uuid
) RETURNS boolean LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $$
DECLARE
    fresh boolean;
    named integer;
BEGIN
    PERFORM lua.require_time(p_at);
    INSERT INTO lua.processor AS p
        (processor_id, slug, name, service, country, contact, channel, every_tenant, used_since, used_until, updated_by, updated_at, entry_id)
    VALUES (p_id, p_slug, p_name, p_service, p_country, p_contact, p_channel, p_tenants IS NULL, p_since, p_until, session_user, p_at, p_entry)
    ON CONFLICT (processor_id) DO UPDATE SET
        name = p_name, service = p_service, country = p_country, contact = p_contact, channel = p_channel,
        every_tenant = p_tenants IS NULL, used_since = p_since, used_until = p_until,
        updated_by = session_user, updated_at = p_at, entry_id = p_entry
    WHERE p.slug = p_slug
    RETURNING xmax = 0 INTO fresh;
    DELETE FROM lua.processor_tenant t WHERE t.processor_id = p_id;
    INSERT INTO lua.processor_tenant (tenant_id, processor_id)
    SELECT d.tenant_id, p_id FROM lua.tenant_directory d WHERE d.slug = ANY (p_tenants);
    GET DIAGNOSTICS named = ROW_COUNT;
    IF fresh IS NULL OR named <> coalesce(cardinality(p_tenants), 0) OR named = 0 AND p_tenants IS NOT NULL THEN
        RAISE EXCEPTION 'a processor works for all tenants, or for some that there are, under one name' USING ERRCODE = 'check_violation';
    END IF;
    RETURN fresh;
END $$;
COMMENT ON FUNCTION lua.put_processor IS 'Adds a processor, or writes what is said of it anew; its name in commands never changes';

-- Who works for a tenant on the day of that instant, UTC.
CREATE FUNCTION lua.processors_of(p_tenant bigint, p_at timestamptz) RETURNS SETOF uuid
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = '' AS $$
    SELECT lua.require_tenant(p_tenant);
    SELECT p.processor_id FROM lua.processor p
    WHERE p.used_since <= (p_at AT TIME ZONE 'UTC')::date AND (p.used_until IS NULL OR p.used_until >= (p_at AT TIME ZONE 'UTC')::date)
      AND (p.every_tenant OR EXISTS (SELECT FROM lua.processor_tenant t WHERE t.tenant_id = p_tenant AND t.processor_id = p.processor_id))
    ORDER BY p.slug;
$$;
COMMENT ON FUNCTION lua.processors_of IS 'Processors in use for a tenant at an instant';

CREATE FUNCTION lua.notify_processors(p_tenant bigint, p_cause text, p_cause_id uuid, p_ids uuid[], p_at timestamptz) RETURNS SETOF uuid
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $$
BEGIN
    PERFORM lua.require_tenant(p_tenant), lua.require_time(p_at);
    IF NOT EXISTS (
        SELECT FROM lua.erasure e WHERE e.tenant_id = p_tenant AND e.erasure_id = p_cause_id AND p_cause = 'erasure'
        UNION ALL
        SELECT FROM lua.termination t
        WHERE t.tenant_id = p_tenant AND t.termination_id = p_cause_id AND p_cause = 'termination' AND t.state = 'intent')
    THEN
        RAISE EXCEPTION 'tenant % has no such %', p_tenant, p_cause USING ERRCODE = 'check_violation';
    END IF;
    RETURN QUERY INSERT INTO lua.processor_notice AS n (tenant_id, notice_id, processor_id, cause, cause_id, created_at)
        SELECT p_tenant, p_ids[u.no], u.id, p_cause, p_cause_id, p_at
        FROM lua.processors_of(p_tenant, p_at) WITH ORDINALITY AS u (id, no)
        ON CONFLICT (tenant_id, processor_id, cause, cause_id) DO NOTHING
        RETURNING n.notice_id;
END $$;
COMMENT ON FUNCTION lua.notify_processors IS 'Makes the notices to all who work for a tenant, under these ids; again: those that are missing';

CREATE FUNCTION lua.processor_notices(p_notice uuid, p_cause_id uuid, p_all boolean)
    RETURNS TABLE (notice_id uuid, tenant text, processor text, cause text, cause_id uuid, state text, created_at timestamptz,
                   attempts integer, attempted_at timestamptz, problem text, sent_at timestamptz, sent_by text, sent_how text,
                   deleted_on date, confirmed_at timestamptz, confirmed_by text, confirmation text,
                   name text, service text, country text, contact text, channel text, tenant_id bigint)
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = '' AS $$
    SELECT n.notice_id, d.slug, p.slug, n.cause, n.cause_id,
           CASE WHEN n.confirmed_at IS NOT NULL THEN 'confirmed' WHEN n.sent_at IS NOT NULL THEN 'sent' ELSE 'open' END,
           n.created_at, n.attempts, n.attempted_at, n.problem, n.sent_at, n.sent_by, n.sent_how,
           n.deleted_on, n.confirmed_at, n.confirmed_by, n.confirmation,
           p.name, p.service, p.country, p.contact, p.channel, n.tenant_id
    FROM lua.processor_notice n JOIN lua.processor p ON p.processor_id = n.processor_id
    JOIN lua.tenant_directory d ON d.tenant_id = n.tenant_id
    WHERE (p_notice IS NULL OR n.notice_id = p_notice) AND (p_cause_id IS NULL OR n.cause_id = p_cause_id)
      AND (p_all OR n.confirmed_at IS NULL)
    ORDER BY n.created_at, n.notice_id
$$;
COMMENT ON FUNCTION lua.processor_notices IS 'Notices of all tenants, also of those that have ended; names no person';

-- Ids that name nobody, for those who tell processors whose data must go: of a dedicated tenant its staff, as long as it lives.
CREATE FUNCTION lua.notice_subjects(p_notice uuid) RETURNS SETOF uuid
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = '' AS $$
    SELECT s.subject_id FROM lua.processor_notice n
    JOIN lua.erasure_subject s ON s.tenant_id = n.tenant_id AND s.erasure_id = n.cause_id AND s.state = 'erased'
    WHERE n.notice_id = p_notice AND n.cause = 'erasure'
      AND CASE WHEN EXISTS (SELECT FROM lua.termination t WHERE t.tenant_id = n.tenant_id AND t.state = 'done') THEN true
               ELSE lua.require_tenant(n.tenant_id) END
    GROUP BY s.subject_id ORDER BY s.subject_id
$$;
COMMENT ON FUNCTION lua.notice_subjects IS 'Whom a notice is about; nobody in particular at the end of a tenant';

CREATE FUNCTION lua.notice_scope(p_notice uuid) RETURNS text
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = '' AS $$
    SELECT CASE n.cause WHEN 'termination' THEN 'tenant' ELSE e.scope END
    FROM lua.processor_notice n LEFT JOIN lua.erasure e ON e.tenant_id = n.tenant_id AND e.erasure_id = n.cause_id
    WHERE n.notice_id = p_notice
$$;
COMMENT ON FUNCTION lua.notice_scope IS 'What of them must go: tenant, person, special or a category';

CREATE FUNCTION lua.notice_attempted(p_notice uuid, p_how text, p_problem text, p_at timestamptz) RETURNS boolean
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $$
BEGIN
    PERFORM lua.require_time(p_at);
    UPDATE lua.processor_notice n SET attempts = n.attempts + 1, attempted_at = p_at, problem = p_problem,
        sent_at = CASE WHEN p_problem IS NULL THEN p_at ELSE n.sent_at END,
        sent_by = CASE WHEN p_problem IS NULL THEN session_user ELSE n.sent_by END,
        sent_how = CASE WHEN p_problem IS NULL THEN p_how ELSE n.sent_how END
    WHERE n.notice_id = p_notice AND n.confirmed_at IS NULL;
    RETURN FOUND;
END $$;
COMMENT ON FUNCTION lua.notice_attempted IS 'Writes down that a notice was sent, or why it was not; false: it is confirmed already';

CREATE FUNCTION lua.notice_confirmed(p_notice uuid, p_deleted_on date, p_confirmation text, p_at timestamptz) RETURNS boolean
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $$
BEGIN
    PERFORM lua.require_time(p_at);
    UPDATE lua.processor_notice n SET deleted_on = p_deleted_on, confirmed_at = p_at, confirmed_by = session_user, confirmation = p_confirmation
    WHERE n.notice_id = p_notice AND n.sent_at IS NOT NULL AND n.confirmed_at IS NULL;
    RETURN FOUND;
END $$;
COMMENT ON FUNCTION lua.notice_confirmed IS 'Writes down that the processor has deleted; false: it was not told, or has confirmed already';

-- A tenant does not end before all who work for it are written down to be told.
CREATE OR REPLACE FUNCTION lua.finish_end(p_tenant bigint, p_result jsonb, p_at timestamptz) RETURNS boolean
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $$
BEGIN
    PERFORM lua.require_tenant(p_tenant), lua.require_time(p_at);
    IF EXISTS (SELECT FROM lua.processed_rows(p_tenant) r WHERE r.row_count > 0) THEN
        RAISE EXCEPTION 'tenant % still has rows', p_tenant USING ERRCODE = 'check_violation';
    END IF;
    IF EXISTS (SELECT FROM lua.processors_of(p_tenant, p_at) AS u (id)
               WHERE NOT EXISTS (SELECT FROM lua.processor_notice n JOIN lua.termination t ON t.tenant_id = n.tenant_id AND t.termination_id = n.cause_id
                                 WHERE n.tenant_id = p_tenant AND n.processor_id = u.id AND n.cause = 'termination' AND t.state IN ('intent', 'done')))
    THEN
        RAISE EXCEPTION 'processors work for tenant % that have no notice', p_tenant USING ERRCODE = 'check_violation';
    END IF;
    UPDATE lua.termination SET state = 'done', result = p_result, completed_at = p_at
    WHERE tenant_id = p_tenant AND state = 'intent';
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    UPDATE lua.tenant SET status = 'terminated', reason = 'ended', updated_at = p_at WHERE tenant_id = p_tenant;
    RETURN true;
END $$;

-- What processors confirmed since is certified anew: the facts of then with the notices of now. No other word changes.
CREATE FUNCTION lua.restate_end(p_ended uuid, p_result jsonb) RETURNS boolean
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $$
BEGIN
    UPDATE lua.termination t SET result = p_result
    WHERE t.termination_id = p_ended AND t.state = 'done'
      AND (p_result -> 'facts') - ARRAY['processors', 'processors_at'] = (t.result -> 'facts') - ARRAY['processors', 'processors_at'];
    RETURN FOUND;
END $$;
COMMENT ON FUNCTION lua.restate_end IS 'Writes down what processors said since a tenant ended; false: something else differs';

-- Unconfirmed notices are unfinished work as well; who asks says from which age on they are.
CREATE OR REPLACE FUNCTION lua.unfinished() RETURNS TABLE (kind text, tenant text, id uuid, since timestamptz)
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = '' AS $$
    SELECT 'erasure', d.slug, e.erasure_id, e.created_at
    FROM lua.erasure e JOIN lua.tenant_directory d ON d.tenant_id = e.tenant_id WHERE e.state = 'intent'
    UNION ALL
    SELECT 'purge', d.slug, p.purge_id, p.created_at
    FROM lua.purge p JOIN lua.tenant_directory d ON d.tenant_id = p.tenant_id WHERE p.state = 'intent'
    UNION ALL
    SELECT 'termination', d.slug, t.termination_id, coalesce(t.begun_at, t.erase_from)
    FROM lua.termination t JOIN lua.tenant_directory d ON d.tenant_id = t.tenant_id WHERE t.state = 'intent'
    UNION ALL
    SELECT 'notice', d.slug, n.notice_id, n.created_at
    FROM lua.processor_notice n JOIN lua.tenant_directory d ON d.tenant_id = n.tenant_id WHERE n.confirmed_at IS NULL
    ORDER BY 4, 3
$$;
COMMENT ON FUNCTION lua.unfinished IS
    'Erasures, purges and ends of tenants that were begun and not finished, and notices that nobody confirmed; names no person';

DO $owners$
DECLARE
    f regprocedure;
    reading regprocedure[] := ARRAY['lua.processors()', 'lua.processors_of(bigint, timestamptz)', 'lua.processor_notices(uuid, uuid, boolean)'];
    registering regprocedure[] := ARRAY[
        'lua.put_processor(uuid, text, text, text, text, text, text, date, date, text[], timestamptz, uuid)'];
    telling regprocedure[] := ARRAY[
        'lua.notify_processors(bigint, text, uuid, uuid[], timestamptz)', 'lua.notice_subjects(uuid)', 'lua.notice_scope(uuid)',
        'lua.notice_attempted(uuid, text, text, timestamptz)', 'lua.notice_confirmed(uuid, date, text, timestamptz)'];
    ending regprocedure[] := ARRAY['lua.restate_end(uuid, jsonb)'];
BEGIN
    FOREACH f IN ARRAY reading || registering || telling || ending LOOP
        EXECUTE format('ALTER FUNCTION %s OWNER TO lua_definer', f);
        EXECUTE format('REVOKE ALL ON FUNCTION %s FROM PUBLIC', f);
        EXECUTE format('GRANT EXECUTE ON FUNCTION %s TO lua_dpo', f);
        IF f = ANY (reading) THEN
            EXECUTE format('GRANT EXECUTE ON FUNCTION %s TO lua_admin, lua_operator, lua_responder, lua_auditor', f);
        ELSIF f = ANY (registering) THEN
            EXECUTE format('GRANT EXECUTE ON FUNCTION %s TO lua_admin', f);
        ELSIF f = ANY (telling) THEN
            EXECUTE format('GRANT EXECUTE ON FUNCTION %s TO lua_operator', f);
        END IF;
    END LOOP;
END
$owners$;
