-- Marks that people leave on lines of the log while they look into something.
SET LOCAL ROLE lua_owner;

CREATE TABLE lua.log_note (
    note_id  uuid PRIMARY KEY,
    line_id  uuid NOT NULL,
    line_at  timestamptz NOT NULL,
    text     text CHECK (text <> '' AND length(text) <= 200),
    case_ref text CHECK (case_ref <> '' AND length(case_ref) <= 200),
    noted_by text NOT NULL,
    noted_at timestamptz NOT NULL,
    -- Who says the same of a line again says it once.
    UNIQUE NULLS NOT DISTINCT (line_id, noted_by, case_ref, text)
);
COMMENT ON TABLE lua.log_note IS 'Bookmarks and notes on entries and lines; never changed or taken back, so that they can stand beside evidence';
COMMENT ON COLUMN lua.log_note.line_id IS 'Of an entry or a line; it may be gone with its month, the note stays';
COMMENT ON COLUMN lua.log_note.text IS 'What is to be said of it, no personal data; null: only a bookmark';
COMMENT ON COLUMN lua.log_note.case_ref IS 'The case that it is about';
CREATE INDEX log_note_at ON lua.log_note (line_at, noted_at);

ALTER TABLE lua.log_note ENABLE ROW LEVEL SECURITY;
ALTER TABLE lua.log_note FORCE ROW LEVEL SECURITY;
-- As the lines themselves: who sees only their own entries sees only their own notes.
CREATE POLICY everything ON lua.log_note FOR SELECT TO lua_admin, lua_responder, lua_auditor, lua_dpo USING (true);
CREATE POLICY own ON lua.log_note FOR SELECT TO lua_operator, lua_accounting USING (noted_by = session_user);
CREATE POLICY append ON lua.log_note FOR INSERT WITH CHECK (noted_by = session_user);

GRANT SELECT, INSERT ON lua.log_note TO lua_admin, lua_operator, lua_responder, lua_auditor, lua_dpo, lua_accounting;
RESET ROLE;
