-- One row or more of one tenant (%(tenant)s) in every table that has a tenant_id.
INSERT INTO lua.tenant_directory VALUES (%(tenant)s, 'tenant-' || %(tenant)s, %(tenant)s);
INSERT INTO lua.tenant VALUES (%(tenant)s, 'tenant-' || %(tenant)s, 'Kolibri', 'DE', 'office@kolibri.example',
    CASE WHEN %(tenant)s >= 1099511627776 THEN 'dedicated' ELSE 'pooled' END, 'active', NULL, now(), now());
INSERT INTO lua.retention_rule VALUES (%(tenant)s, 'invoice', 'year of issue', 120, 96, 'law', now());
INSERT INTO lua.instruction VALUES (%(tenant)s, gen_random_uuid(), 'contract', 'all', 'owner', now(), NULL);
INSERT INTO lua.erasure VALUES (%(tenant)s, gen_random_uuid(), gen_random_uuid(), 'mail', 'somebody', 'intent', 2, '{}', NULL, now());
INSERT INTO lua.erasure_batch SELECT tenant_id, erasure_id, 2, 1, '{}', '{}', now() FROM lua.erasure WHERE tenant_id = %(tenant)s;
INSERT INTO lua.erasure_subject SELECT tenant_id, erasure_id, subject_id, 'erased', 'person' FROM lua.erasure WHERE tenant_id = %(tenant)s;
INSERT INTO lua.erasure_plan VALUES (%(tenant)s, md5('p' || %(tenant)s)::uuid, sha256('t'), sha256('d'), 'person', ARRAY[md5(%(tenant)s::text)::uuid], 'mail', '{}', 'somebody', now());
INSERT INTO lua.purge VALUES (%(tenant)s, gen_random_uuid(), 'somebody', 'intent', 2, '{}', NULL, now());
INSERT INTO lua.token_directory VALUES (%(tenant)s, md5('t' || %(tenant)s)::uuid, sha256(%(tenant)s::text::bytea), translate(lpad(%(tenant)s::text, 8, 'a'), '0189', 'xyzu'));
INSERT INTO lua.secret (tenant_id, secret_id, kind, name, token_id, prefix, scopes, created_at, created_by, expires_at, entry_id)
    VALUES (%(tenant)s, md5('t' || %(tenant)s)::uuid, 'token', 'api', md5('t' || %(tenant)s)::uuid, 'abcdefgh', '{contact.read}', now(), 'somebody', now(), gen_random_uuid());
INSERT INTO crm.role VALUES (%(tenant)s, 'manager', '{all}');
INSERT INTO crm.subject VALUES (%(tenant)s, md5(%(tenant)s::text)::uuid, 'active', '\x01', gen_random_uuid(), now(), now(), NULL);
INSERT INTO crm.contact VALUES (%(tenant)s, md5(%(tenant)s::text)::uuid, md5(%(tenant)s::text)::uuid, sha256('c'), 3, 1, '{1}', '{2}', gen_random_uuid(), now(), now());
INSERT INTO crm.app_user (tenant_id, user_id, subject_id, state, personal, login_digest, index_version, name_index, entry_id, created_at, updated_at)
    VALUES (%(tenant)s, md5('u' || %(tenant)s)::uuid, md5(%(tenant)s::text)::uuid, 'active', '\x01', sha256('u'), 0, '{}', gen_random_uuid(), now(), now());
INSERT INTO crm.user_role VALUES (%(tenant)s, md5('u' || %(tenant)s)::uuid, 'manager', now(), gen_random_uuid());
INSERT INTO crm.user_session (tenant_id, session_id, user_id, hash, network, since, seen_at, ends_at)
    VALUES (%(tenant)s, md5('s' || %(tenant)s)::uuid, md5('u' || %(tenant)s)::uuid, sha256('s'), '203.0.113.0/24', now(), now(), now() + interval '1 hour');
INSERT INTO crm.user_token VALUES (%(tenant)s, md5('t' || %(tenant)s)::uuid, md5('u' || %(tenant)s)::uuid, gen_random_uuid());
INSERT INTO crm.contact_key VALUES (%(tenant)s, sha256(%(tenant)s::text::bytea), md5(%(tenant)s::text)::uuid);
INSERT INTO crm.interaction VALUES (%(tenant)s, md5(%(tenant)s::text)::uuid, md5(%(tenant)s::text)::uuid, 'call', now(), 202401, '\x01', gen_random_uuid(), now());
INSERT INTO crm.invoice VALUES (%(tenant)s, md5(%(tenant)s::text)::uuid, md5(%(tenant)s::text)::uuid, 'R-1', '2009-05-01', 'EUR', 10, 2009, '\x01', NULL, gen_random_uuid(), now());
INSERT INTO crm.invoice_line VALUES (%(tenant)s, md5(%(tenant)s::text)::uuid, 1, 1, 10, '\x01', NULL);
INSERT INTO vault.counter VALUES (%(tenant)s, 1, 64);
INSERT INTO vault.slot VALUES (%(tenant)s, md5(%(tenant)s::text)::uuid, 1, 1, 0);
INSERT INTO vault.period VALUES (%(tenant)s, 50333657, 0);
INSERT INTO lua.hold (tenant_id, hold_id, hold_no, scope, subject_id, reference, ground, placed_by, placed_at, entry_id, released_by, released_at, reason, release_entry)
    VALUES (%(tenant)s, gen_random_uuid(), 1, 'subject', md5(%(tenant)s::text)::uuid, 'court', 'Art. 17(3)(e)', 'somebody', now(), gen_random_uuid(), 'somebody', now(), 'settled', gen_random_uuid());
INSERT INTO vault.release (tenant_id, release_id, person, parts, public_key, purpose, released_by, created_at, expires_at)
    VALUES (%(tenant)s, md5(%(tenant)s::text)::uuid, 'somebody', '{tenant}', sha256('x'), 'support', 'somebody', now(), now() + interval '1 day');
INSERT INTO vault.release_key VALUES (%(tenant)s, md5(%(tenant)s::text)::uuid, '\x08', 1, decode(repeat('00', 93), 'hex'));
INSERT INTO lua.termination (tenant_id, termination_id, state, instruction, announced_by, announced_at, erase_from)
    VALUES (%(tenant)s, gen_random_uuid(), 'withdrawn', 'letter', 'somebody', now(), now());
INSERT INTO lua.request (tenant_id, request_id, state, request_right, reference, channel, received_by, received_at, due_on, recorded_by, recorded_at, entry_id)
    VALUES (%(tenant)s, gen_random_uuid(), 'open', 'access', 'letter', 'letter', 'tenant', '2026-11-20', '2026-12-21', 'somebody', now(), gen_random_uuid());
INSERT INTO vault.tombstone VALUES (%(tenant)s, sha256('t'), 1, now());
INSERT INTO lua.log_source VALUES (md5('s' || %(tenant)s)::uuid, 'source-' || %(tenant)s, 'jsonl', '/var/log/crm.json', 'crm.example', 'UTC', NULL, '0', now(), 'somebody');
INSERT INTO lua.log_line (id, at, source_id, file_no, place, actor, tenant_id, action, outcome, severity, message, ingested_at)
    SELECT (lpad(to_hex(floor(extract(epoch FROM now()) * 1000)::bigint), 12, '0') || substr(md5(%(tenant)s::text), 13))::uuid, now(),
           md5('s' || %(tenant)s)::uuid, 1, 0, 'somebody', %(tenant)s, 'line', 'done', 'LOG', 'hello', now();
INSERT INTO lua.processor VALUES (md5('p')::uuid, 'post', 'Post', 'communication', 'DE', 'dpo@post.example', 'manual', true, '2026-01-01', NULL, 'somebody', now(), gen_random_uuid())
    ON CONFLICT DO NOTHING;
INSERT INTO lua.processor_tenant VALUES (%(tenant)s, md5('p')::uuid);
INSERT INTO lua.processor_notice (tenant_id, notice_id, processor_id, cause, cause_id, created_at)
    VALUES (%(tenant)s, gen_random_uuid(), md5('p')::uuid, 'erasure', gen_random_uuid(), now())
