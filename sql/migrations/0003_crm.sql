-- Schema crm: what customers of Lua CRM keep about their own customers.
-- `personal` and `accounting` are sealed columns (docs/reference/formats.md, 3): Postgres never sees the plaintext.
SET LOCAL ROLE lua_owner;

CREATE TABLE crm.role (
    tenant_id   bigint NOT NULL REFERENCES lua.tenant,
    role        text NOT NULL CHECK (role ~ '^[a-z][a-z-]{1,39}$'),
    permissions text[] NOT NULL,
    PRIMARY KEY (tenant_id, role)
);
COMMENT ON TABLE crm.role IS 'Roles that a tenant gives to its own users';

CREATE TABLE crm.subject (
    tenant_id  bigint NOT NULL REFERENCES lua.tenant,
    subject_id uuid NOT NULL,
    status     text NOT NULL DEFAULT 'active' CHECK (status IN ('active', 'erased')),
    personal   bytea,
    entry_id   uuid NOT NULL,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    erased_at  timestamptz,
    PRIMARY KEY (tenant_id, subject_id),
    CHECK ((status = 'erased') = (erased_at IS NOT NULL)),
    CHECK (status <> 'erased' OR personal IS NULL)
);
COMMENT ON TABLE crm.subject IS 'Data subjects: one row a person, kept without personal data after erasure';
COMMENT ON COLUMN crm.subject.personal IS 'Sealed: the random reference that stands for this person in the ledger';
COMMENT ON COLUMN crm.subject.entry_id IS 'Ledger entry of the change that created the row';

CREATE TABLE crm.contact (
    tenant_id        bigint NOT NULL,
    contact_id       uuid NOT NULL,
    subject_id       uuid NOT NULL,
    personal         bytea NOT NULL,
    index_version    smallint NOT NULL CHECK (index_version BETWEEN 0 AND 40),
    email_index      integer,
    phone_index      integer[] NOT NULL,
    name_index       integer[] NOT NULL,
    entry_id         uuid NOT NULL,
    created_at       timestamptz NOT NULL,
    updated_at       timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, contact_id),
    FOREIGN KEY (tenant_id, subject_id) REFERENCES crm.subject (tenant_id, subject_id)
);
COMMENT ON TABLE crm.contact IS 'Who a subject is and how to reach them';
COMMENT ON COLUMN crm.contact.personal IS 'Sealed under class main, period 0 of the contact class';
COMMENT ON COLUMN crm.contact.index_version IS 'Width version of the blind indexes of this row';
CREATE INDEX contact_subject ON crm.contact (tenant_id, subject_id);
CREATE INDEX contact_email ON crm.contact (tenant_id, index_version, email_index);
-- The most common values of a blind index must not be collected in pg_statistic.
ALTER TABLE crm.contact ALTER email_index SET STATISTICS 0, ALTER phone_index SET STATISTICS 0,
    ALTER name_index SET STATISTICS 0;

-- Uniqueness needs the full width of a hash, so it stands apart in a narrow table that erasure empties.
CREATE TABLE crm.contact_key (
    tenant_id  bigint NOT NULL,
    digest     bytea NOT NULL CHECK (length(digest) = 32),
    subject_id uuid NOT NULL,
    PRIMARY KEY (tenant_id, digest),
    FOREIGN KEY (tenant_id, subject_id) REFERENCES crm.subject (tenant_id, subject_id)
);
COMMENT ON TABLE crm.contact_key IS 'External ids as keyed digests: one subject per id and tenant; '
    'a table imported without ids leaves its digest with its first subject';
CREATE INDEX contact_key_subject ON crm.contact_key (tenant_id, subject_id);
ALTER TABLE crm.contact_key ALTER digest SET STATISTICS 0;

CREATE TABLE crm.interaction (
    tenant_id        bigint NOT NULL,
    interaction_id   uuid NOT NULL,
    subject_id       uuid NOT NULL,
    kind             text NOT NULL CHECK (kind IN ('note', 'call', 'email', 'meeting', 'visit', 'message')),
    occurred_at      timestamptz NOT NULL,
    retention_period integer NOT NULL,
    personal         bytea NOT NULL,
    entry_id         uuid NOT NULL,
    created_at       timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, interaction_id),
    FOREIGN KEY (tenant_id, subject_id) REFERENCES crm.subject (tenant_id, subject_id)
);
COMMENT ON TABLE crm.interaction IS 'What passed between a tenant and a subject';
COMMENT ON COLUMN crm.interaction.retention_period IS 'Month of occurrence, yyyymm in UTC: the period whose key seals the row';
CREATE INDEX interaction_subject ON crm.interaction (tenant_id, subject_id);
CREATE INDEX interaction_period ON crm.interaction (tenant_id, retention_period);

CREATE TABLE crm.invoice (
    tenant_id        bigint NOT NULL,
    invoice_id       uuid NOT NULL,
    subject_id       uuid NOT NULL,
    number           text NOT NULL CHECK (number <> '' AND length(number) <= 64),
    issued_on        date NOT NULL,
    currency         text NOT NULL CHECK (currency ~ '^[A-Z]{3}$'),
    total            numeric(18, 2) NOT NULL,
    retention_period integer NOT NULL,
    accounting       bytea NOT NULL,
    retained_at      timestamptz,
    entry_id         uuid NOT NULL,
    created_at       timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, invoice_id),
    UNIQUE (tenant_id, number),
    FOREIGN KEY (tenant_id, subject_id) REFERENCES crm.subject (tenant_id, subject_id)
);
COMMENT ON TABLE crm.invoice IS 'Invoices that a tenant issued';
COMMENT ON COLUMN crm.invoice.retention_period IS 'Year of issue, yyyy: the period whose key seals the row';
COMMENT ON COLUMN crm.invoice.accounting IS 'Sealed under class accounting: billing party and address';
COMMENT ON COLUMN crm.invoice.retained_at IS 'When the person was erased; from then on only lua_accounting sees the row';
CREATE INDEX invoice_subject ON crm.invoice (tenant_id, subject_id);
CREATE INDEX invoice_period ON crm.invoice (tenant_id, retention_period);

CREATE TABLE crm.invoice_line (
    tenant_id   bigint NOT NULL,
    invoice_id  uuid NOT NULL,
    line_no     integer NOT NULL CHECK (line_no > 0),
    quantity    numeric(18, 4) NOT NULL,
    unit_price  numeric(18, 4) NOT NULL,
    accounting  bytea NOT NULL,
    retained_at timestamptz,
    PRIMARY KEY (tenant_id, invoice_id, line_no),
    FOREIGN KEY (tenant_id, invoice_id) REFERENCES crm.invoice (tenant_id, invoice_id) ON DELETE CASCADE
);
COMMENT ON TABLE crm.invoice_line IS 'What was sold, at what price';
COMMENT ON COLUMN crm.invoice_line.accounting IS 'Sealed under class accounting: the description, which may tell of a treatment';

-- Staff and the CRM itself.
GRANT SELECT ON crm.role TO lua_admin, lua_operator, lua_responder, lua_auditor, lua_dpo, lua_app;
GRANT INSERT ON crm.role TO lua_admin;

GRANT SELECT ON crm.subject TO lua_operator, lua_dpo, lua_accounting, lua_app;
GRANT SELECT (tenant_id, subject_id, status, entry_id, created_at, updated_at, erased_at) ON crm.subject
    TO lua_admin, lua_responder, lua_auditor;
GRANT INSERT ON crm.subject TO lua_operator, lua_app;
-- updated_at alone lets a writer lock the subject FOR SHARE. The status goes one way, through crm.mark_erased.
GRANT UPDATE (personal, updated_at) ON crm.subject TO lua_operator, lua_dpo, lua_app, lua_accounting;

GRANT SELECT ON crm.contact TO lua_operator, lua_dpo, lua_app;
GRANT SELECT (tenant_id, contact_id, subject_id, index_version, entry_id, created_at, updated_at) ON crm.contact
    TO lua_admin, lua_responder, lua_auditor;
GRANT INSERT ON crm.contact TO lua_operator, lua_app;
GRANT UPDATE (personal, index_version, email_index, phone_index, name_index, updated_at) ON crm.contact
    TO lua_operator, lua_app;
GRANT DELETE ON crm.contact TO lua_operator, lua_dpo;

GRANT SELECT ON crm.contact_key TO lua_operator, lua_dpo, lua_app;
GRANT SELECT (tenant_id, subject_id) ON crm.contact_key TO lua_admin, lua_responder, lua_auditor;
GRANT INSERT ON crm.contact_key TO lua_operator, lua_app;
GRANT DELETE ON crm.contact_key TO lua_operator, lua_dpo;

GRANT SELECT ON crm.interaction TO lua_operator, lua_dpo, lua_app;
GRANT SELECT (tenant_id, interaction_id, subject_id, kind, occurred_at, retention_period, entry_id, created_at)
    ON crm.interaction TO lua_admin, lua_responder, lua_auditor;
GRANT INSERT ON crm.interaction TO lua_operator, lua_app;
GRANT DELETE ON crm.interaction TO lua_operator, lua_dpo;

-- The sealed accounting columns: written by whoever imports, read by bookkeeping and by the CRM.
GRANT SELECT ON crm.invoice, crm.invoice_line TO lua_accounting, lua_app;
GRANT SELECT (tenant_id, invoice_id, subject_id, number, issued_on, currency, total, retention_period, retained_at,
    entry_id, created_at) ON crm.invoice TO lua_admin, lua_operator, lua_responder, lua_auditor, lua_dpo;
GRANT SELECT (tenant_id, invoice_id, line_no, quantity, unit_price, retained_at) ON crm.invoice_line
    TO lua_admin, lua_operator, lua_responder, lua_auditor, lua_dpo;
GRANT INSERT ON crm.invoice, crm.invoice_line TO lua_operator, lua_app, lua_accounting;

-- Rows of an erased person that a duty keeps leave everybody's sight but bookkeeping's, so erasure and purge,
-- which operators run without being able to see such rows, go through functions of the definer.
GRANT SELECT, UPDATE (retained_at), DELETE ON crm.invoice, crm.invoice_line TO lua_definer;
GRANT SELECT (tenant_id, subject_id, status), UPDATE (status, personal, updated_at, erased_at) ON crm.subject TO lua_definer;
RESET ROLE;

-- Who is erased stays erased: a way back would let somebody be kept whom no erasure finds any more.
CREATE FUNCTION crm.mark_erased(p_tenant bigint, p_subject uuid, p_at timestamptz) RETURNS bigint
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $$
DECLARE
    marked bigint;
BEGIN
    PERFORM lua.require_tenant(p_tenant), lua.require_time(p_at);
    UPDATE crm.subject SET status = 'erased', personal = NULL, erased_at = p_at, updated_at = p_at
    WHERE tenant_id = p_tenant AND subject_id = p_subject AND status = 'active';
    GET DIAGNOSTICS marked = ROW_COUNT;
    RETURN marked;
END $$;
COMMENT ON FUNCTION crm.mark_erased IS 'Marks a living subject as erased, for good; returns how many it marked: 1 or 0';

CREATE FUNCTION crm.retain_invoices(p_tenant bigint, p_subjects uuid[], p_at timestamptz) RETURNS bigint
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $$
DECLARE
    touched bigint;
BEGIN
    PERFORM lua.require_tenant(p_tenant);
    IF EXISTS (SELECT FROM crm.subject WHERE tenant_id = p_tenant AND subject_id = ANY (p_subjects) AND status <> 'erased') THEN
        RAISE EXCEPTION 'only invoices of erased subjects are hidden' USING ERRCODE = 'check_violation';
    END IF;
    UPDATE crm.invoice_line l SET retained_at = p_at FROM crm.invoice i
    WHERE i.tenant_id = p_tenant AND i.subject_id = ANY (p_subjects)
      AND l.tenant_id = p_tenant AND l.invoice_id = i.invoice_id AND l.retained_at IS NULL;
    UPDATE crm.invoice SET retained_at = p_at
    WHERE tenant_id = p_tenant AND subject_id = ANY (p_subjects) AND retained_at IS NULL;
    GET DIAGNOSTICS touched = ROW_COUNT;
    RETURN touched;
END $$;
COMMENT ON FUNCTION crm.retain_invoices IS 'Hides the invoices of erased subjects from all but bookkeeping; returns how many';

CREATE FUNCTION crm.invoices_of(p_tenant bigint, p_subject uuid)
    RETURNS TABLE (retention_period integer, invoices bigint, lines bigint, retained boolean)
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = '' AS $$
    SELECT i.retention_period, count(DISTINCT i.invoice_id), count(l.line_no), bool_and(i.retained_at IS NOT NULL)
    FROM crm.invoice i
    LEFT JOIN crm.invoice_line l ON l.tenant_id = p_tenant AND l.invoice_id = i.invoice_id
    WHERE lua.require_tenant(p_tenant) AND i.tenant_id = p_tenant AND i.subject_id = p_subject
    GROUP BY i.retention_period ORDER BY i.retention_period
$$;
COMMENT ON FUNCTION crm.invoices_of IS 'How many invoices and lines a subject has per period, hidden ones included: counts only';

CREATE FUNCTION crm.invoices_due(p_tenant bigint, p_before integer)
    RETURNS TABLE (retention_period integer, invoices bigint, lines bigint)
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = '' AS $$
    SELECT i.retention_period, count(DISTINCT i.invoice_id), count(l.line_no)
    FROM crm.invoice i
    LEFT JOIN crm.invoice_line l ON l.tenant_id = p_tenant AND l.invoice_id = i.invoice_id
    WHERE lua.require_tenant(p_tenant) AND i.tenant_id = p_tenant AND i.retention_period < p_before
    GROUP BY i.retention_period ORDER BY i.retention_period
$$;
COMMENT ON FUNCTION crm.invoices_due IS 'Invoices and lines per year of issue before a year: counts only';

-- The legal minimum does not rest on the caller's arithmetic: the function asks the tenant's rule itself.
CREATE FUNCTION crm.purge_invoices(p_tenant bigint, p_period integer, p_limit integer, p_at timestamptz)
    RETURNS TABLE (invoices bigint, lines bigint)
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $$
DECLARE
    due timestamptz;
    chosen uuid[];
BEGIN
    PERFORM lua.require_tenant(p_tenant), lua.require_time(p_at);
    SELECT (make_timestamp(p_period + 1, 1, 1, 0, 0, 0) + make_interval(months => r.months)) AT TIME ZONE 'UTC'
    INTO due FROM lua.retention_rule r WHERE r.tenant_id = p_tenant AND r.retention_class = 'invoice';
    IF due IS NULL OR due > p_at THEN
        RAISE EXCEPTION 'invoices of % are kept until %', p_period, coalesce(due::text, 'a rule says otherwise')
            USING ERRCODE = 'check_violation';
    END IF;
    chosen := ARRAY(SELECT i.invoice_id FROM crm.invoice i WHERE i.tenant_id = p_tenant AND i.retention_period = p_period
                    LIMIT p_limit);
    DELETE FROM crm.invoice_line l WHERE l.tenant_id = p_tenant AND l.invoice_id = ANY (chosen);
    GET DIAGNOSTICS lines = ROW_COUNT;
    DELETE FROM crm.invoice i WHERE i.tenant_id = p_tenant AND i.invoice_id = ANY (chosen);
    GET DIAGNOSTICS invoices = ROW_COUNT;
    RETURN NEXT;
END $$;
COMMENT ON FUNCTION crm.purge_invoices IS
    'Deletes up to p_limit invoices of one year with their lines, once the rule lets them go; returns how many';

-- Whoever imports invoices must hear that a number is taken by one which only bookkeeping may see.
CREATE FUNCTION crm.taken_numbers(p_tenant bigint, p_numbers text[]) RETURNS SETOF text
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = '' AS $$
    SELECT number FROM crm.invoice
    WHERE tenant_id = p_tenant AND number = ANY (p_numbers) AND lua.require_tenant(p_tenant)
$$;
COMMENT ON FUNCTION crm.taken_numbers IS 'Which of these invoice numbers a tenant has used, hidden ones included';
ALTER FUNCTION crm.taken_numbers(bigint, text[]) OWNER TO lua_definer;
REVOKE ALL ON FUNCTION crm.taken_numbers(bigint, text[]) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION crm.taken_numbers(bigint, text[]) TO lua_operator, lua_accounting;

DO $$
DECLARE
    f regprocedure;
BEGIN
    FOREACH f IN ARRAY ARRAY['crm.mark_erased(bigint, uuid, timestamptz)', 'crm.retain_invoices(bigint, uuid[], timestamptz)', 'crm.invoices_of(bigint, uuid)',
                             'crm.invoices_due(bigint, integer)', 'crm.purge_invoices(bigint, integer, integer, timestamptz)']::regprocedure[]
    LOOP
        EXECUTE format('ALTER FUNCTION %s OWNER TO lua_definer', f);
        EXECUTE format('REVOKE ALL ON FUNCTION %s FROM PUBLIC', f);
        EXECUTE format('GRANT EXECUTE ON FUNCTION %s TO lua_operator, lua_dpo', f);
    END LOOP;
END $$;
GRANT EXECUTE ON FUNCTION crm.invoices_of(bigint, uuid), crm.invoices_due(bigint, integer)
    TO lua_admin, lua_responder, lua_auditor;
