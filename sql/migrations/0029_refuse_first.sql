-- Whether the caller may act for a tenant is asked by a statement of its own, before anything is looked for. As part of a
-- WHERE it was asked only where the planner did not know beforehand that there are no rows: from Postgres 18 on, which
-- plans these functions for the tenant at hand, a tenant without a partition got an empty answer instead of a refusal.
CREATE OR REPLACE FUNCTION crm.taken_numbers(p_tenant bigint, p_numbers text[]) RETURNS SETOF text
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = '' AS $$
    SELECT lua.require_tenant(p_tenant);
    SELECT number FROM crm.invoice WHERE tenant_id = p_tenant AND number = ANY (p_numbers);
$$;

CREATE OR REPLACE FUNCTION crm.invoices_of(p_tenant bigint, p_subject uuid)
    RETURNS TABLE (retention_period integer, invoices bigint, lines bigint, retained boolean)
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = '' AS $$
    SELECT lua.require_tenant(p_tenant);
    SELECT i.retention_period, count(DISTINCT i.invoice_id), count(l.line_no), bool_and(i.retained_at IS NOT NULL)
    FROM crm.invoice i
    LEFT JOIN crm.invoice_line l ON l.tenant_id = p_tenant AND l.invoice_id = i.invoice_id
    WHERE i.tenant_id = p_tenant AND i.subject_id = p_subject
    GROUP BY i.retention_period ORDER BY i.retention_period;
$$;

CREATE OR REPLACE FUNCTION crm.invoices_due(p_tenant bigint, p_before integer)
    RETURNS TABLE (retention_period integer, invoices bigint, lines bigint)
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = '' AS $$
    SELECT lua.require_tenant(p_tenant);
    SELECT i.retention_period, count(DISTINCT i.invoice_id), count(l.line_no)
    FROM crm.invoice i
    LEFT JOIN crm.invoice_line l ON l.tenant_id = p_tenant AND l.invoice_id = i.invoice_id
    WHERE i.tenant_id = p_tenant AND i.retention_period < p_before
    GROUP BY i.retention_period ORDER BY i.retention_period;
$$;

CREATE OR REPLACE FUNCTION crm.invoices_of_all(p_tenant bigint, p_subjects uuid[])
    RETURNS TABLE (retention_period integer, invoices bigint, lines bigint, retained boolean)
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = '' AS $$
    SELECT lua.require_tenant(p_tenant);
    WITH theirs AS MATERIALIZED (
        SELECT i.invoice_id, i.retention_period, i.retained_at IS NOT NULL AS retained
        FROM crm.invoice i
        WHERE i.tenant_id = p_tenant AND i.subject_id = ANY (p_subjects)
    ), counted AS (
        SELECT l.invoice_id, count(*) AS lines
        FROM crm.invoice_line l JOIN theirs t ON l.invoice_id = t.invoice_id
        WHERE l.tenant_id = p_tenant GROUP BY l.invoice_id
    )
    SELECT t.retention_period, count(*), coalesce(sum(c.lines), 0)::bigint, bool_and(t.retained)
    FROM theirs t LEFT JOIN counted c ON c.invoice_id = t.invoice_id
    GROUP BY t.retention_period ORDER BY t.retention_period;
$$;

CREATE OR REPLACE FUNCTION crm.billed(p_tenant bigint, p_subjects uuid[]) RETURNS SETOF uuid
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = '' AS $$
    SELECT lua.require_tenant(p_tenant);
    SELECT DISTINCT i.subject_id FROM crm.invoice i
    WHERE i.tenant_id = p_tenant AND i.subject_id = ANY (p_subjects);
$$;

CREATE OR REPLACE FUNCTION crm.held_due(p_tenant bigint, p_at timestamptz)
    RETURNS TABLE (retention_class text, retention_period integer, held bigint, lines bigint, to_move bigint)
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = '' AS $$
    SELECT lua.require_tenant(p_tenant);
    SELECT 'interaction', i.retention_period, count(*), 0::bigint, count(*) FILTER (WHERE i.held_under IS NULL)
    FROM lua.held_interactions(p_tenant, 1, lua.last_due(p_tenant, 'interaction', p_at)) AS i
    GROUP BY i.retention_period
    UNION ALL
    SELECT 'invoice', i.retention_period, count(DISTINCT i.invoice_id), count(l.line_no),
           count(DISTINCT i.invoice_id) FILTER (WHERE i.held_under IS NULL)
    FROM lua.held_invoices(p_tenant, 1, lua.last_due(p_tenant, 'invoice', p_at)) AS i
    LEFT JOIN crm.invoice_line l ON l.tenant_id = p_tenant AND l.invoice_id = i.invoice_id
    GROUP BY i.retention_period
    ORDER BY 1, 2;
$$;

CREATE OR REPLACE FUNCTION lua.processed_rows(p_tenant bigint) RETURNS TABLE (table_name text, row_count bigint)
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = '' AS $$
    SELECT lua.require_tenant(p_tenant);
    SELECT r.table_name, r.row_count FROM (
        SELECT 1, 'crm.invoice_line', (SELECT count(*) FROM crm.invoice_line d WHERE d.tenant_id = p_tenant)
        UNION ALL SELECT 2, 'crm.invoice', (SELECT count(*) FROM crm.invoice d WHERE d.tenant_id = p_tenant)
        UNION ALL SELECT 3, 'crm.interaction', (SELECT count(*) FROM crm.interaction d WHERE d.tenant_id = p_tenant)
        UNION ALL SELECT 4, 'crm.contact_key', (SELECT count(*) FROM crm.contact_key d WHERE d.tenant_id = p_tenant)
        UNION ALL SELECT 5, 'crm.contact', (SELECT count(*) FROM crm.contact d WHERE d.tenant_id = p_tenant)
        UNION ALL SELECT 6, 'lua.hold', (SELECT count(*) FROM lua.hold d WHERE d.tenant_id = p_tenant)
        UNION ALL SELECT 7, 'crm.subject', (SELECT count(*) FROM crm.subject d WHERE d.tenant_id = p_tenant)
        UNION ALL SELECT 8, 'crm.role', (SELECT count(*) FROM crm.role d WHERE d.tenant_id = p_tenant)
        UNION ALL SELECT 9, 'lua.secret', (SELECT count(*) FROM lua.secret d WHERE d.tenant_id = p_tenant)
        UNION ALL SELECT 10, 'lua.token_directory', (SELECT count(*) FROM lua.token_directory d WHERE d.tenant_id = p_tenant)
    ) AS r (no, table_name, row_count) ORDER BY r.no;
$$;

CREATE OR REPLACE FUNCTION vault.my_release_keys(p_tenant bigint)
    RETURNS TABLE (epoch bigint, release_id uuid, path bytea, version integer, sealed bytea, expires_at timestamptz)
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = '' AS $$
    SELECT lua.require_tenant(p_tenant);
    SELECT t.epoch, r.release_id, k.path, k.version, k.sealed, r.expires_at
    FROM vault.tree t, vault.release r
    JOIN vault.release_key k ON k.tenant_id = r.tenant_id AND k.release_id = r.release_id
    WHERE r.tenant_id = p_tenant AND r.person = session_user AND r.ended_at IS NULL
    ORDER BY k.path, r.expires_at;
$$;

CREATE OR REPLACE FUNCTION vault.key_no(p_tenant bigint) RETURNS bigint
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = '' AS $$
    SELECT lua.require_tenant(p_tenant);
    SELECT key_no FROM lua.tenant_directory WHERE tenant_id = p_tenant;
$$;
