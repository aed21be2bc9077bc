-- name: insert_note!
-- A mark on a line; none when the login made the same one before.
INSERT INTO lua.log_note (note_id, line_id, line_at, text, case_ref, noted_by, noted_at)
VALUES (:note_id::uuid, :line_id::uuid, :line_at::timestamptz, :text::text, :case_ref::text, session_user, :at::timestamptz)
ON CONFLICT DO NOTHING;

-- name: own_note^
-- The login's mark that says just this.
SELECT note_id, line_id, line_at, text, case_ref, noted_by, noted_at FROM lua.log_note
WHERE line_id = :line_id::uuid AND noted_by = session_user AND text IS NOT DISTINCT FROM :text::text
  AND case_ref IS NOT DISTINCT FROM :case_ref::text;

-- name: notes
-- Marks in the order of their lines: all, of a case, or on one line.
SELECT note_id, line_id, line_at, text, case_ref, noted_by, noted_at FROM lua.log_note
WHERE (:case_ref::text IS NULL OR case_ref = :case_ref::text) AND (:line_id::uuid IS NULL OR line_id = :line_id::uuid)
ORDER BY line_at, line_id, noted_at, note_id;

-- name: noted
-- Which of some lines have a mark.
SELECT DISTINCT line_id FROM lua.log_note WHERE line_id = ANY (:line_ids::uuid[]);
