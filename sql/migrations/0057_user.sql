-- The users of the CRM itself: who works for a tenant, in which roles, and what these may do (docs/how-to/users-of-the-crm.md).
-- A user is a data subject of the tenant: name, login and address are sealed under that person's key, and go with it.
SET LOCAL ROLE lua_owner;

-- What a permission is about: a reference table, the same for every tenant.
CREATE TABLE lua.permission_object (
    object    text PRIMARY KEY CHECK (object ~ '^[a-z][a-z-]{1,39}$'),
    kind      text NOT NULL CHECK (kind IN ('data', 'function')),
    sensitive boolean NOT NULL,
    actions   text[] NOT NULL CHECK (cardinality(actions) > 0 AND array_position(actions, NULL) IS NULL),
    about     text NOT NULL CHECK (about <> '' AND length(about) <= 200)
);
COMMENT ON TABLE lua.permission_object IS 'Classes of data and functions that roles of tenants have permissions on';
COMMENT ON COLUMN lua.permission_object.sensitive IS 'Needs a permission that names it: no wildcard gives it (Art. 9 GDPR, s. 203 StGB)';
COMMENT ON COLUMN lua.permission_object.actions IS 'What can be done with it';
INSERT INTO lua.permission_object (object, kind, sensitive, actions, about) VALUES
    ('contact', 'data', false, '{read,write,delete,export}', 'who people are and how to reach them'),
    ('interaction', 'data', false, '{read,write,delete,export}', 'what passed between the tenant and them'),
    ('invoice', 'data', false, '{read,write,export}', 'invoices and their lines'),
    ('special', 'data', true, '{read,write,delete,export}', 'special categories: health, religion and the like (Art. 9 GDPR)'),
    ('medical-record', 'data', true, '{read,write,export}', 'records of treatment, kept by a legal duty of their own'),
    ('report', 'function', false, '{read}', 'figures about all of them'),
    ('settings', 'function', false, '{read,write}', 'how the CRM works for the tenant'),
    ('user', 'function', false, '{read,write}', 'users of the tenant, their roles and sessions'),
    ('token', 'function', false, '{read,write}', 'tokens of the API');
GRANT SELECT ON lua.permission_object TO lua_admin, lua_operator, lua_responder, lua_auditor, lua_dpo, lua_app, lua_definer;

CREATE TABLE crm.app_user (
    tenant_id     bigint NOT NULL,
    user_id       uuid NOT NULL,
    subject_id    uuid NOT NULL,
    state         text NOT NULL CHECK (state IN ('active', 'locked', 'ended')),
    mfa           text NOT NULL DEFAULT 'none' CHECK (mfa IN ('none', 'totp', 'webauthn')),
    mfa_since     timestamptz,
    personal      bytea NOT NULL,
    login_digest  bytea NOT NULL CHECK (length(login_digest) = 32),
    index_version smallint NOT NULL CHECK (index_version BETWEEN 0 AND 40),
    email_index   integer,
    name_index    integer[] NOT NULL,
    entry_id      uuid NOT NULL,
    created_at    timestamptz NOT NULL,
    updated_at    timestamptz NOT NULL,
    ended_at      timestamptz,
    PRIMARY KEY (tenant_id, user_id),
    UNIQUE (tenant_id, subject_id),
    UNIQUE (tenant_id, login_digest),
    FOREIGN KEY (tenant_id, subject_id) REFERENCES crm.subject (tenant_id, subject_id),
    CHECK ((mfa = 'none') = (mfa_since IS NULL)),
    CHECK ((state = 'ended') = (ended_at IS NOT NULL))
);
COMMENT ON TABLE crm.app_user IS 'Users of the CRM: who works for a tenant; an erasure of the person takes the row';
COMMENT ON COLUMN crm.app_user.state IS 'active, locked (comes back by unlocking), ended (for good)';
COMMENT ON COLUMN crm.app_user.personal IS 'Sealed under class main, period 0 of the contact class: login, name, email';
COMMENT ON COLUMN crm.app_user.login_digest IS 'Keyed digest of the login in full width: unique, and what a sign-in is looked up by';
COMMENT ON COLUMN crm.app_user.mfa IS 'The second factor that is enrolled; its secret is none of luactl''s';
-- The most common values of a blind index must not be collected in pg_statistic.
ALTER TABLE crm.app_user ALTER login_digest SET STATISTICS 0, ALTER email_index SET STATISTICS 0, ALTER name_index SET STATISTICS 0;

CREATE TABLE crm.user_role (
    tenant_id bigint NOT NULL,
    user_id   uuid NOT NULL,
    role      text NOT NULL,
    since     timestamptz NOT NULL,
    entry_id  uuid NOT NULL,
    PRIMARY KEY (tenant_id, user_id, role),
    FOREIGN KEY (tenant_id, user_id) REFERENCES crm.app_user (tenant_id, user_id),
    FOREIGN KEY (tenant_id, role) REFERENCES crm.role (tenant_id, role)
);
COMMENT ON TABLE crm.user_role IS 'Which roles a user has now; how it came about is in the ledger';
CREATE INDEX user_role_role ON crm.user_role (tenant_id, role);

CREATE TABLE crm.user_session (
    tenant_id  bigint NOT NULL,
    session_id uuid NOT NULL,
    user_id    uuid NOT NULL,
    hash       bytea NOT NULL CHECK (length(hash) = 32),
    network    cidr CHECK (masklen(network) = CASE family(network) WHEN 4 THEN 24 ELSE 48 END),
    since      timestamptz NOT NULL,
    seen_at    timestamptz NOT NULL,
    ends_at    timestamptz NOT NULL,
    ended_at   timestamptz,
    ended_why  text CHECK (ended_why IN ('logout', 'replaced', 'revoked', 'locked', 'past')),
    PRIMARY KEY (tenant_id, session_id),
    UNIQUE (tenant_id, hash),
    FOREIGN KEY (tenant_id, user_id) REFERENCES crm.app_user (tenant_id, user_id),
    CHECK (seen_at >= since AND ends_at > since AND ended_at >= since),
    CHECK ((ended_at IS NULL) = (ended_why IS NULL))
);
COMMENT ON TABLE crm.user_session IS 'Sessions of users; those that are over for 90 days go with the purge';
COMMENT ON COLUMN crm.user_session.hash IS 'SHA-256 of the session''s token, which holds 256 random bits and is kept by the browser alone';
COMMENT ON COLUMN crm.user_session.network IS 'Where it began, cut to a network (/24, /48): enough to see a stranger, too little to find a person';
COMMENT ON COLUMN crm.user_session.seen_at IS 'When it was last used, to the minute';
COMMENT ON COLUMN crm.user_session.ends_at IS 'When it ends by itself';
CREATE INDEX user_session_user ON crm.user_session (tenant_id, user_id) WHERE ended_at IS NULL;
CREATE INDEX user_session_over ON crm.user_session (tenant_id, ends_at);

CREATE TABLE crm.user_token (
    tenant_id bigint NOT NULL,
    secret_id uuid NOT NULL,
    user_id   uuid NOT NULL,
    entry_id  uuid NOT NULL,
    PRIMARY KEY (tenant_id, secret_id),
    FOREIGN KEY (tenant_id, secret_id) REFERENCES lua.secret (tenant_id, secret_id),
    FOREIGN KEY (tenant_id, user_id) REFERENCES crm.app_user (tenant_id, user_id)
);
COMMENT ON TABLE crm.user_token IS 'Which tokens of the API are a user''s own: they end with the user';
CREATE INDEX user_token_user ON crm.user_token (tenant_id, user_id);

SELECT lua.imitate('lua.tenant', t.name::regclass)
FROM unnest(ARRAY['crm.app_user', 'crm.user_role', 'crm.user_session', 'crm.user_token']) AS t (name);

GRANT SELECT ON crm.app_user TO lua_operator, lua_dpo, lua_app;
GRANT SELECT (tenant_id, user_id, subject_id, state, mfa, mfa_since, index_version, entry_id, created_at, updated_at, ended_at)
    ON crm.app_user TO lua_admin, lua_responder, lua_auditor;
-- Whoever gives a person a new key seals this anew with the rest; all else goes through the functions below.
GRANT UPDATE (personal, updated_at) ON crm.app_user TO lua_operator, lua_dpo;
GRANT SELECT ON crm.user_role, crm.user_token TO lua_admin, lua_operator, lua_responder, lua_auditor, lua_dpo, lua_app;
GRANT SELECT (tenant_id, session_id, user_id, network, since, seen_at, ends_at, ended_at, ended_why)
    ON crm.user_session TO lua_admin, lua_operator, lua_responder, lua_auditor, lua_dpo, lua_app;
GRANT SELECT, INSERT, DELETE, UPDATE (state, mfa, mfa_since, personal, login_digest, index_version, email_index, name_index, updated_at, ended_at)
    ON crm.app_user TO lua_definer;
GRANT SELECT, INSERT, DELETE ON crm.user_role, crm.user_token TO lua_definer;
GRANT SELECT, INSERT, DELETE, UPDATE (seen_at, ended_at, ended_why) ON crm.user_session TO lua_definer;
GRANT SELECT ON crm.role TO lua_definer;
INSERT INTO lua.sealed_since (table_name, born_sealed, since) VALUES ('crm.app_user', true, now());
SELECT lua.partition_by_tenant(t.name)
FROM unnest(ARRAY['app_user', 'user_role', 'user_session', 'user_token']) WITH ORDINALITY AS t (name, no) ORDER BY t.no;
RESET ROLE;

-- A permission is `object.action`; either may be `*`, which gives nothing that is sensitive.
CREATE FUNCTION crm.roles_giving(p_tenant bigint, p_action text, p_object text)
    RETURNS TABLE (role text, permission text, named boolean, gives boolean)
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = '' AS $$
    SELECT lua.require_tenant(p_tenant);
    SELECT r.role, p.given, p.given = o.object || '.' || p_action, NOT o.sensitive OR p.given = o.object || '.' || p_action
    FROM lua.permission_object o CROSS JOIN crm.role r CROSS JOIN LATERAL unnest(r.permissions) AS p (given)
    WHERE o.object = p_object AND p_action = ANY (o.actions) AND r.tenant_id = p_tenant
      AND p.given IN (o.object || '.' || p_action, o.object || '.*', '*.' || p_action, '*.*');
$$;
COMMENT ON FUNCTION crm.roles_giving IS 'Permissions of the tenant''s roles that are about this; a wildcard does not give what is sensitive';

-- The one function that decides, for the CRM and for the console: whether, by what, or why not.
CREATE FUNCTION crm.decide(p_tenant bigint, p_user uuid, p_action text, p_object text)
    RETURNS TABLE (allowed boolean, why text, role text, permission text)
    LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = '' AS $$
DECLARE
    held text;
    actions text[];
BEGIN
    PERFORM lua.require_tenant(p_tenant);
    SELECT u.state INTO held FROM crm.app_user u WHERE u.tenant_id = p_tenant AND u.user_id = p_user;
    SELECT o.actions INTO actions FROM lua.permission_object o WHERE o.object = p_object;
    allowed := false;
    IF held IS NULL THEN
        why := 'no such user';
    ELSIF held <> 'active' THEN
        why := 'user ' || held;
    ELSIF actions IS NULL THEN
        why := 'no such object';
    ELSIF p_action IS NULL OR p_action <> ALL (actions) THEN
        why := 'no such action';
    ELSE
        SELECT g.gives, CASE WHEN g.named THEN 'named' WHEN g.gives THEN 'wildcard' ELSE 'sensitive: no wildcard gives it' END, g.role, g.permission
        INTO allowed, why, role, permission
        FROM crm.roles_giving(p_tenant, p_action, p_object) AS g
        JOIN crm.user_role h ON h.tenant_id = p_tenant AND h.user_id = p_user AND h.role = g.role
        ORDER BY g.gives DESC, g.named DESC, g.role, g.permission LIMIT 1;
        IF NOT FOUND THEN
            allowed := false;
            why := 'no role of the user gives it';
        END IF;
    END IF;
    RETURN NEXT;
END $$;
COMMENT ON FUNCTION crm.decide IS 'Whether a user may do something now, and by which permission of which role; or why not';

CREATE FUNCTION crm.may(p_tenant bigint, p_user uuid, p_action text, p_object text) RETURNS boolean
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = '' AS $$
    SELECT lua.require_tenant(p_tenant);
    SELECT d.allowed FROM crm.decide(p_tenant, p_user, p_action, p_object) AS d;
$$;
COMMENT ON FUNCTION crm.may IS 'Whether a user may do something now: what crm.decide says, for who asks often';

CREATE FUNCTION crm.add_user(
    p_tenant bigint, p_user uuid, p_subject uuid, p_personal bytea, p_login bytea, p_width smallint, p_email integer, p_names integer[],
    p_roles text[], p_at timestamptz, p_entry uuid
) RETURNS boolean LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $$
BEGIN
    PERFORM lua.require_tenant(p_tenant), lua.require_time(p_at);
    PERFORM FROM crm.subject s WHERE s.tenant_id = p_tenant AND s.subject_id = p_subject AND s.status = 'active' FOR SHARE;
    IF NOT FOUND OR NOT EXISTS (SELECT FROM lua.tenant t WHERE t.tenant_id = p_tenant AND t.status = 'active') THEN
        RAISE EXCEPTION 'the person is not there, or erased, or the tenant is not active' USING ERRCODE = 'object_not_in_prerequisite_state';
    END IF;
    INSERT INTO crm.app_user (tenant_id, user_id, subject_id, state, personal, login_digest, index_version, email_index, name_index,
                              entry_id, created_at, updated_at)
    VALUES (p_tenant, p_user, p_subject, 'active', p_personal, p_login, p_width, p_email, p_names, p_entry, p_at, p_at);
    INSERT INTO crm.user_role (tenant_id, user_id, role, since, entry_id)
    SELECT p_tenant, p_user, r.role, p_at, p_entry FROM unnest(p_roles) AS r (role);
    RETURN true;
END $$;
COMMENT ON FUNCTION crm.add_user IS 'A new user, who is a person of the tenant already, with roles that the tenant has';

-- Null leaves roles, state or second factor as they are. What has ended does not come back.
CREATE FUNCTION crm.change_user(
    p_tenant bigint, p_user uuid, p_roles text[], p_state text, p_mfa text, p_at timestamptz, p_entry uuid
) RETURNS boolean LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $$
BEGIN
    PERFORM lua.require_tenant(p_tenant), lua.require_time(p_at);
    UPDATE crm.app_user u SET state = coalesce(p_state, u.state), mfa = coalesce(p_mfa, u.mfa),
        mfa_since = CASE WHEN coalesce(p_mfa, u.mfa) = 'none' THEN NULL WHEN coalesce(p_mfa, u.mfa) = u.mfa THEN u.mfa_since ELSE p_at END,
        ended_at = CASE WHEN p_state = 'ended' THEN greatest(p_at, u.created_at) END, updated_at = p_at
    WHERE u.tenant_id = p_tenant AND u.user_id = p_user AND u.state <> 'ended';
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    IF p_roles IS NOT NULL THEN
        DELETE FROM crm.user_role h WHERE h.tenant_id = p_tenant AND h.user_id = p_user AND h.role <> ALL (p_roles);
        INSERT INTO crm.user_role (tenant_id, user_id, role, since, entry_id)
        SELECT p_tenant, p_user, r.role, p_at, p_entry FROM unnest(p_roles) AS r (role) ON CONFLICT DO NOTHING;
    END IF;
    IF p_state IN ('locked', 'ended') THEN
        PERFORM crm.end_user_sessions(p_tenant, ARRAY[p_user], 'locked', p_at);
    END IF;
    RETURN true;
END $$;
COMMENT ON FUNCTION crm.change_user IS 'Other roles, another state or second factor of a user; false: no such user, or one that has ended';

-- What the person is called changed, or was wrong: sealed anew, found anew.
CREATE FUNCTION crm.rename_user(
    p_tenant bigint, p_user uuid, p_personal bytea, p_login bytea, p_width smallint, p_email integer, p_names integer[], p_at timestamptz
) RETURNS boolean LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $$
BEGIN
    PERFORM lua.require_tenant(p_tenant), lua.require_time(p_at);
    UPDATE crm.app_user u SET personal = p_personal, login_digest = p_login, index_version = p_width, email_index = p_email,
        name_index = p_names, updated_at = p_at
    WHERE u.tenant_id = p_tenant AND u.user_id = p_user;
    RETURN FOUND;
END $$;
COMMENT ON FUNCTION crm.rename_user IS 'Another sealed value of a user, with the indexes of what it holds; false: no such user';

CREATE FUNCTION crm.end_user_sessions(p_tenant bigint, p_users uuid[], p_why text, p_at timestamptz) RETURNS bigint
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $$
DECLARE
    touched bigint;
BEGIN
    PERFORM lua.require_tenant(p_tenant), lua.require_time(p_at);
    UPDATE crm.user_session s SET ended_at = greatest(p_at, s.since), ended_why = p_why
    WHERE s.tenant_id = p_tenant AND s.user_id = ANY (p_users) AND s.ended_at IS NULL AND s.ends_at > p_at;
    GET DIAGNOSTICS touched = ROW_COUNT;
    RETURN touched;
END $$;
COMMENT ON FUNCTION crm.end_user_sessions IS 'Ends what is open of these users at once; how many sessions there were';

-- What a console takes from a user at once: sessions, tokens, roles, or the user as a whole.
CREATE FUNCTION crm.revoke_user(p_tenant bigint, p_user uuid, p_what text[], p_at timestamptz)
    RETURNS TABLE (sessions bigint, tokens bigint, roles bigint, ended boolean)
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $$
BEGIN
    PERFORM lua.require_tenant(p_tenant), lua.require_time(p_at);
    PERFORM FROM crm.app_user u WHERE u.tenant_id = p_tenant AND u.user_id = p_user FOR UPDATE;
    IF NOT FOUND THEN
        RETURN;
    END IF;
    sessions := 0;
    tokens := 0;
    roles := 0;
    ended := false;
    IF 'sessions' = ANY (p_what) THEN
        sessions := crm.end_user_sessions(p_tenant, ARRAY[p_user], 'revoked', p_at);
    END IF;
    IF 'tokens' = ANY (p_what) THEN
        tokens := (SELECT count(*) FROM lua.revoke_secrets(p_tenant, ARRAY(
            SELECT k.secret_id FROM crm.user_token k WHERE k.tenant_id = p_tenant AND k.user_id = p_user), p_at));
    END IF;
    IF 'roles' = ANY (p_what) THEN
        DELETE FROM crm.user_role h WHERE h.tenant_id = p_tenant AND h.user_id = p_user;
        GET DIAGNOSTICS roles = ROW_COUNT;
    END IF;
    IF 'user' = ANY (p_what) THEN
        UPDATE crm.app_user u SET state = 'ended', ended_at = greatest(p_at, u.created_at), updated_at = p_at
        WHERE u.tenant_id = p_tenant AND u.user_id = p_user AND u.state <> 'ended';
        ended := FOUND;
    END IF;
    RETURN NEXT;
END $$;
COMMENT ON FUNCTION crm.revoke_user IS 'Takes sessions, tokens, roles or the user as a whole; what there was to take. No row: no such user';

CREATE FUNCTION crm.own_token(p_tenant bigint, p_secret uuid, p_user uuid, p_entry uuid) RETURNS boolean
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $$
BEGIN
    PERFORM lua.require_tenant(p_tenant);
    IF NOT EXISTS (SELECT FROM crm.app_user u WHERE u.tenant_id = p_tenant AND u.user_id = p_user AND u.state = 'active')
       OR NOT EXISTS (SELECT FROM lua.secret s WHERE s.tenant_id = p_tenant AND s.secret_id = p_secret AND s.kind = 'token') THEN
        RAISE EXCEPTION 'an active user has a token, and nothing else' USING ERRCODE = 'object_not_in_prerequisite_state';
    END IF;
    INSERT INTO crm.user_token (tenant_id, secret_id, user_id, entry_id) VALUES (p_tenant, p_secret, p_user, p_entry);
    RETURN true;
END $$;
COMMENT ON FUNCTION crm.own_token IS 'A token is a user''s own: it ends with the user';

DO $owners$
DECLARE
    f regprocedure;
    asking regprocedure[] := ARRAY[
        'crm.roles_giving(bigint, text, text)',
        'crm.decide(bigint, uuid, text, text)',
        'crm.may(bigint, uuid, text, text)'];
    keeping regprocedure[] := ARRAY[
        'crm.add_user(bigint, uuid, uuid, bytea, bytea, smallint, integer, integer[], text[], timestamptz, uuid)',
        'crm.change_user(bigint, uuid, text[], text, text, timestamptz, uuid)',
        'crm.rename_user(bigint, uuid, bytea, bytea, smallint, integer, integer[], timestamptz)'];
    revoking regprocedure[] := ARRAY['crm.revoke_user(bigint, uuid, text[], timestamptz)'];
    giving regprocedure[] := ARRAY['crm.own_token(bigint, uuid, uuid, uuid)'];
    within regprocedure[] := ARRAY['crm.end_user_sessions(bigint, uuid[], text, timestamptz)'];
BEGIN
    FOREACH f IN ARRAY asking || keeping || revoking || giving || within LOOP
        EXECUTE format('ALTER FUNCTION %s OWNER TO lua_definer', f);
        EXECUTE format('REVOKE ALL ON FUNCTION %s FROM PUBLIC', f);
        EXECUTE format('GRANT EXECUTE ON FUNCTION %s TO %s', f, CASE
            WHEN f = ANY (asking) THEN 'lua_admin, lua_operator, lua_responder, lua_auditor, lua_dpo, lua_app'
            WHEN f = ANY (keeping) THEN 'lua_operator, lua_app'
            WHEN f = ANY (revoking) THEN 'lua_admin, lua_operator, lua_responder, lua_dpo'
            WHEN f = ANY (giving) THEN 'lua_admin'
            ELSE 'lua_definer' END);
    END LOOP;
END
$owners$;
