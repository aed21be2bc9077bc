-- name: tables
-- Tables of tenants, and whether each is a partition, whose rows its parent shows.
SELECT c.oid::regclass::text, c.relispartition, a.attname::text
FROM pg_catalog.pg_class c
JOIN pg_catalog.pg_attribute t ON t.attrelid = c.oid AND t.attname = 'tenant_id' AND NOT t.attisdropped
JOIN LATERAL (SELECT u.attname FROM pg_catalog.pg_attribute u
              WHERE u.attrelid = c.oid AND u.attnum > 0 AND NOT u.attisdropped
              ORDER BY has_column_privilege(c.oid, u.attnum, 'UPDATE') DESC, u.attnum LIMIT 1) AS a ON true
WHERE c.relnamespace::regnamespace::text IN ('lua', 'crm', 'ledger', 'vault') AND c.relkind IN ('r', 'p')
ORDER BY 1;

-- name: plant_tenant!
-- A throw-away tenant: its row in the directory and the register.
WITH directory AS (
    INSERT INTO lua.tenant_directory (tenant_id, slug, key_no)
    VALUES (:tenant_id::bigint, :slug::text, :tenant_id::bigint)
)
INSERT INTO lua.tenant (tenant_id, slug, name, country, contact, created_at, updated_at)
VALUES (:tenant_id::bigint, :slug::text, 'Probe', 'DE', 'nobody', now(), now());

-- name: plant_rules!
-- What a tenant is born with.
WITH rule AS (
    INSERT INTO lua.retention_rule VALUES (:tenant_id::bigint, 'interaction', 'month of occurrence', 36, 0, 'probe', now())
), role AS (
    INSERT INTO crm.role VALUES (:tenant_id::bigint, 'reader', '{contact.read}')
)
INSERT INTO lua.instruction VALUES (:tenant_id::bigint, gen_random_uuid(), 'probe', 'probe', 'nobody', now(), NULL);

-- name: plant_subject!
-- A person of whom nothing is known.
INSERT INTO crm.subject (tenant_id, subject_id, personal, entry_id, created_at, updated_at)
VALUES (:tenant_id::bigint, :id::uuid, '\x01', :id::uuid, now(), now());

-- name: plant_rows!
-- One row about that person in each other table.
WITH contact AS (
    INSERT INTO crm.contact
        (tenant_id, contact_id, subject_id, personal, index_version, phone_index, name_index, entry_id, created_at, updated_at)
    VALUES (:tenant_id::bigint, :id::uuid, :id::uuid, '\x01', 1, '{}', '{}', :id::uuid, now(), now())
), contact_key AS (
    INSERT INTO crm.contact_key VALUES (:tenant_id::bigint, sha256('probe'), :id::uuid)
), interaction AS (
    INSERT INTO crm.interaction
        (tenant_id, interaction_id, subject_id, kind, occurred_at, retention_period, personal, entry_id, created_at)
    VALUES (:tenant_id::bigint, :id::uuid, :id::uuid, 'note', now(), 200001, '\x01', :id::uuid, now())
), invoice AS (
    INSERT INTO crm.invoice
        (tenant_id, invoice_id, subject_id, number, issued_on, currency, total, retention_period, accounting, entry_id, created_at)
    VALUES (:tenant_id::bigint, :id::uuid, :id::uuid, 'probe', '2000-01-01', 'EUR', 1, 2000, '\x01', :id::uuid, now())
), slot AS (
    INSERT INTO vault.slot VALUES (:tenant_id::bigint, :id::uuid, 1, 1, 0)
), period AS (
    INSERT INTO vault.period VALUES (:tenant_id::bigint, 50333657, 0)
), tombstone AS (
    INSERT INTO vault.tombstone VALUES (:tenant_id::bigint, sha256('probe'), 1, now())
), erasure AS (
    INSERT INTO lua.erasure (tenant_id, erasure_id, subject_id, instruction, requested_by, state, epoch, plan, created_at)
    VALUES (:tenant_id::bigint, :id::uuid, :id::uuid, 'probe', session_user, 'intent', 1, '{}', now())
), plan AS (
    INSERT INTO lua.erasure_plan
        (tenant_id, plan_id, target, digest, scope, subjects, instruction, plan, made_by, made_at)
    VALUES (:tenant_id::bigint, :id::uuid, sha256('t'), sha256('d'), 'person', ARRAY[:id::uuid], 'probe', '{}', session_user, now())
)
INSERT INTO lua.purge (tenant_id, purge_id, requested_by, state, epoch, plan, created_at)
VALUES (:tenant_id::bigint, :id::uuid, session_user, 'intent', 1, '{}', now());

-- name: plant_line!
-- A line of that person's invoice.
INSERT INTO crm.invoice_line (tenant_id, invoice_id, line_no, quantity, unit_price, accounting)
VALUES (:tenant_id::bigint, :id::uuid, 1, 1, 1, '\x01');

-- name: plant_request$
-- A request, which only a function records; its month is long over.
SELECT lua.add_request(:tenant_id::bigint, :id::uuid, 'access', 'probe', 'letter', 'tenant', TIMESTAMPTZ '2024-01-02 12:00:00+00', NULL,
                       DATE '2024-02-02', now(), :id::uuid);

-- name: plant_end$
-- The end of that tenant is announced.
SELECT lua.announce_end(:tenant_id::bigint, :id::uuid, 'probe', now(), now());

-- name: plant_erased!
-- What became of the person of that erasure.
WITH batch AS (
    INSERT INTO lua.erasure_batch VALUES (:tenant_id::bigint, :id::uuid, 2, 1, '{}', '{}', now())
)
INSERT INTO lua.erasure_subject VALUES (:tenant_id::bigint, :id::uuid, :id::uuid, 'erased', 'person');

-- name: plant_secret$
-- A credential, which only a function writes.
SELECT lua.put_credential(:tenant_id::bigint, :id::uuid, 'probe', decode('02' || repeat('00', 40), 'hex'), NULL, now(), :id::uuid, NULL);

-- name: plant_processor$
-- Somebody who works for that tenant alone, whom only a function registers.
SELECT lua.put_processor(:id::uuid, :slug::text, 'Probe', 'cloud', 'DE', 'nobody', 'manual', (now() AT TIME ZONE 'UTC')::date, NULL,
                         ARRAY[:slug::text], now(), :id::uuid);

-- name: plant_notices
-- What all who work for it are told of that erasure.
SELECT lua.notify_processors(:tenant_id::bigint, 'erasure', :id::uuid,
                             ARRAY(SELECT gen_random_uuid() FROM lua.processors_of(:tenant_id::bigint, now())), now());

-- name: plant_user$
-- A user, whom only functions write, with a role, a session that is over, and a token.
SELECT crm.add_user(:tenant_id::bigint, :id::uuid, :id::uuid, '\x01', sha256('probe'), 0::smallint, NULL, '{}', '{reader}', now(), :id::uuid),
       crm.keep_past_sessions(:tenant_id::bigint, ARRAY[:id::uuid], ARRAY[:id::uuid], '{203.0.113.0/24}', ARRAY[now()], ARRAY[now()],
                              ARRAY[now()]);

-- name: plant_token$
-- A token of the API, by a hash of which nobody knows the token.
SELECT lua.put_token(:tenant_id::bigint, :token::uuid, 'probe-token', :prefix::text, sha256(uuid_send(:token::uuid)),
                     '{contact.read}', now(), now(), :id::uuid, NULL, NULL);

-- name: plant_user_token$
-- That token is the user's own.
SELECT crm.own_token(:tenant_id::bigint, :token::uuid, :id::uuid, :id::uuid);

-- name: plant_bound
-- Somebody with a login, who is bound by every law that is there: nobody else is given keys.
SELECT lua.put_person(:id::uuid, 'probe-' || :id::uuid, 'probe', 'employee', NULL, '2020-01-01', '{}', now(), :id::uuid),
       lua.add_person_login('probe_' || :id::uuid, :id::uuid, now(), :id::uuid),
       lua.add_undertaking(gen_random_uuid(), :id::uuid, b.basis, 'probe', '2020-01-01', NULL, now(), :id::uuid)
FROM lua.undertaking_basis b;

-- name: plant_release$
-- Keys released to them, which only a function does.
SELECT vault.give_release(:tenant_id::bigint, :id::uuid, 'probe_' || :id::uuid, '{tenant}', sha256('probe'), 'probe', now(),
                          now() + interval '1 day', '{"\\x08"}', '{1}', ARRAY[decode(repeat('00', 93), 'hex')]);

-- name: plant_hold$
-- A hold on everything, which only a function places.
SELECT lua.place_hold(:tenant_id::bigint, :id::uuid, 'tenant', NULL, NULL, NULL, NULL, NULL, NULL, 'probe', 'probe', now(), :id::uuid);

-- name: shared_tables
-- Tables of customers' data in which a dedicated tenant has no partition of its own.
SELECT c.oid::regclass::text
FROM pg_catalog.pg_class c
JOIN pg_catalog.pg_attribute t ON t.attrelid = c.oid AND t.attname = 'tenant_id' AND NOT t.attisdropped
WHERE c.relnamespace = 'crm'::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition
  AND NOT EXISTS (SELECT FROM pg_catalog.pg_inherits i JOIN pg_catalog.pg_class p ON p.oid = i.inhrelid
                  WHERE i.inhparent = c.oid
                    AND pg_get_expr(p.relpartbound, p.oid) IN (format('FOR VALUES IN (%%s)', :tenant_id::bigint),
                                                               format('FOR VALUES IN (''%%s'')', :tenant_id::bigint)))
ORDER BY 1;
