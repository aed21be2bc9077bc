-- The table of Postgres' own documentation for a csvlog, with indexes as lua.log_line has them.
CREATE TABLE public.csvlog (
    log_time timestamptz, user_name text, database_name text, process_id integer, connection_from text, session_id text,
    session_line_num bigint, command_tag text, session_start_time timestamptz, virtual_transaction_id text,
    transaction_id bigint, error_severity text, sql_state_code text, message text, detail text, hint text,
    internal_query text, internal_query_pos integer, context text, query text, query_pos integer, location text,
    application_name text, backend_type text, leader_pid integer, query_id bigint, arrived bigint DEFAULT 1);
CREATE INDEX ON public.csvlog (log_time, session_id, session_line_num);
CREATE INDEX ON public.csvlog (user_name, log_time DESC);
CREATE INDEX ON public.csvlog (command_tag, log_time DESC);
CREATE INDEX ON public.csvlog (connection_from, log_time DESC);
CREATE INDEX ON public.csvlog (session_id, log_time DESC);
CREATE INDEX ON public.csvlog (arrived, session_id);
CREATE INDEX ON public.csvlog USING gin (lua.words(message));
