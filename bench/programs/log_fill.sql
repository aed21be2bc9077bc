-- Entries number first … last of 50 tenants, 20 actors and 5 actions, one every `step`.
INSERT INTO ledger.entry (id, at, actor, tenant_id, action, object, outcome, body)
SELECT id, at, actor, tenant, action, 'table:crm.contact', 'done', convert_to(
    '{"action":"' || action || '","actor":"' || actor || '","address":"10.0.' || mod(n, 250) || '.7","at":"'
    || to_char(at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')
    || '","detail":{"command":"crm","word":"w' || mod(n, 100000) || '"},"id":"' || id
    || '","object":"table:crm.contact","on_behalf":null,"outcome":"done","purpose":"support' || mod(n, 7)
    || '","session":"69a2c3d4.' || to_hex(mod(n, 5000)) || '","subject":null,"tenant":' || tenant || ',"v":1}', 'UTF8')
FROM (SELECT n, mod(n, 50) + 1 AS tenant, 'actor' || mod(n, 20) AS actor,
             (ARRAY['contact.read', 'contact.change', 'invoice.create', 'login', 'crm.export'])[mod(n, 5) + 1] AS action,
             %(begin)s::timestamptz + n * %(step)s::interval AS at,
             (lpad(to_hex(%(ms)s::bigint + n * %(step_ms)s::bigint), 12, '0') || '70008' || lpad(to_hex(n), 15, '0'))::uuid AS id
      FROM generate_series(%(first)s::bigint, %(last)s::bigint) AS n) AS x
