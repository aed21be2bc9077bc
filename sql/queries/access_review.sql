-- name: source^
-- Where and when a snapshot is taken: server, database, place in its log, time by its clock.
SELECT (SELECT system_identifier FROM pg_control_system())::text, current_database()::text,
       CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_lsn() END::text, transaction_timestamp();

-- name: attributes
-- Attributes of logins that reach further than grants.
SELECT r.rolname, array_remove(ARRAY[
           CASE WHEN r.rolsuper THEN 'SUPERUSER' END, CASE WHEN r.rolbypassrls AND NOT r.rolsuper THEN 'BYPASSRLS' END,
           CASE WHEN r.rolcreaterole AND NOT r.rolsuper THEN 'CREATEROLE' END, CASE WHEN r.rolcreatedb AND NOT r.rolsuper THEN 'CREATEDB' END,
           CASE WHEN r.rolreplication AND NOT r.rolsuper THEN 'REPLICATION' END], NULL)
FROM pg_catalog.pg_roles r WHERE r.rolcanlogin;

-- name: people
-- Who is in force, their teams, and whether they are bound to confidentiality.
SELECT p.person_id, p.handle, p.kind, p.manager, ARRAY(SELECT t.team FROM lua.person_team t WHERE t.person_id = p.person_id ORDER BY 1),
       lua.is_bound(p.person_id, :at::timestamptz)
FROM lua.person p WHERE p.ended_at IS NULL;

-- name: person_logins
-- Which login is whose, as long as it is, and since when.
SELECT l.login::text, l.person_id, l.since FROM lua.person_login l WHERE l.ended_at IS NULL;

-- name: me$
-- The person whose login this session is.
SELECT lua.person_of(session_user);

-- name: tenants
-- Tenants by slug.
SELECT slug, tenant_id FROM lua.tenant_directory;

-- name: role_names
-- Names of all roles.
SELECT rolname::text FROM pg_catalog.pg_roles;

-- name: reviewers
-- Who reviews each of several items, in their order: whoever is meant, else above them, else a data protection officer.
SELECT r.reviewer, r.chosen
FROM unnest(:first::uuid[], :persons::uuid[], :logins::text[], :kinds::text[], :classes::text[], :ids::bigint[], :objects::text[])
     WITH ORDINALITY AS i (first, person, login, kind, class, id, object, n)
CROSS JOIN LATERAL lua.review_reviewer(i.first, i.person, i.login, i.kind, i.class, i.id, i.object) AS r
ORDER BY i.n;

-- name: open_review$
-- Keeps a snapshot and its items; returns how many items.
SELECT lua.open_review(
    :review_id::uuid, :series::uuid, :title::text, :months::smallint, :snapshot::bytea, :due_at::timestamptz, :grace_days::smallint,
    :at::timestamptz, :entry_id::uuid);

-- name: due_again
-- Reviews whose next one is due to begin: the newest of a series, closed, and the time for deciding before its period is over has come.
SELECT r.review_id, r.series, r.title, r.months::integer, ceil(extract(epoch FROM r.due_at - r.opened_at) / 86400)::integer, r.grace_days::integer
FROM lua.review r
WHERE r.months IS NOT NULL AND r.closed_at + make_interval(months => r.months::integer) - (r.due_at - r.opened_at) <= :now::timestamptz
  AND NOT EXISTS (SELECT FROM lua.review n WHERE n.series = r.series AND n.opened_at > r.opened_at)
ORDER BY r.closed_at;

-- name: reviews
-- All reviews with their counts, newest first.
SELECT r.review_id, r.series, r.title,
       CASE WHEN r.closed_at IS NOT NULL THEN 'closed' WHEN r.due_at <= :now::timestamptz THEN 'overdue' ELSE 'open' END,
       c.items, c.decided, c.failed, c.suspended, r.months::integer, r.grace_days::integer, r.opened_by, r.opened_at, r.due_at,
       r.closed_by, r.closed_at, r.closed_at + make_interval(months => r.months::integer), encode(r.digest, 'hex')
FROM lua.review r
CROSS JOIN LATERAL (
    SELECT count(*)::integer AS items, count(i.decision_no)::integer AS decided,
           (count(*) FILTER (WHERE i.outcome = 'failed'))::integer AS failed, (count(*) FILTER (WHERE i.outcome = 'suspended'))::integer AS suspended
    FROM lua.review_item i WHERE i.review_id = r.review_id) AS c
ORDER BY r.opened_at DESC, r.review_id DESC;

-- name: snapshot$
-- The bytes that a review froze.
SELECT r.snapshot FROM lua.review r WHERE r.review_id = :review_id::uuid;

-- name: items
-- Items of a review with what was decided and what became of it; only the session's person's, only those that wait.
SELECT i.review_id, i.item_no, i.login, p.handle, i.kind, i.class, i.object, i.rights, w.handle, i.assigned_as, i.shown_at, d.decision,
       d.reason, d.target, d.decided_by, d.decided_at, i.outcome, i.statement, i.problem, i.revoke_at
FROM lua.review_item i
JOIN lua.person w ON w.person_id = i.reviewer
LEFT JOIN lua.person p ON p.person_id = i.person_id
LEFT JOIN lua.review_decision d ON d.review_id = i.review_id AND d.decision_no = i.decision_no
WHERE i.review_id = :review_id::uuid AND (NOT :mine::boolean OR i.reviewer = lua.person_of(session_user))
  AND (NOT :undecided::boolean OR i.decision_no IS NULL)
ORDER BY i.item_no;

-- name: show$
-- Notes that items were shown to their reviewer; returns how many for the first time.
SELECT lua.show_review(:review_id::uuid, :items::integer[]);

-- name: decide$
-- Records a decision on items of the session's person; returns how many.
SELECT lua.decide_review(
    :review_id::uuid, :items::integer[], :decision::text, :reason::text, :target::text, :at::timestamptz, :entry_id::uuid);

-- name: wanted
-- What is to become of each item now; an error while a reviewer still has time.
SELECT i.item_no, i.login, i.object, w.wanted, w.target
FROM lua.review_item i CROSS JOIN LATERAL lua.review_wanted(i.review_id, i.item_no, :at::timestamptz) AS w
WHERE i.review_id = :review_id::uuid ORDER BY i.item_no;

-- name: outcomes
-- What became of each item so far.
SELECT i.item_no, i.outcome FROM lua.review_item i WHERE i.review_id = :review_id::uuid;

-- name: is_office$
-- Whether this login may open and close reviews.
SELECT pg_has_role(session_user, 'lua_admin', 'MEMBER') OR pg_has_role(session_user, 'lua_dpo', 'MEMBER');

-- name: carry_out$
-- Takes a membership or suspends a login, as was decided; returns why not.
SELECT lua.carry_out_review(:review_id::uuid, :item_no::integer, :at::timestamptz, :entry_id::uuid);

-- name: cut$
-- Takes grants on our objects, as was decided; returns why not.
SELECT lua.cut_review(:review_id::uuid, :item_no::integer, :at::timestamptz);

-- name: settle$
-- Reads an item back from the catalog and keeps what became of it.
SELECT lua.settle_review(:review_id::uuid, :item_no::integer, :statement::text, :problem::text, :at::timestamptz);

-- name: close$
-- Closes a review whose items all have an outcome; false: it was closed already.
SELECT lua.close_review(:review_id::uuid, :outcome::bytea, :at::timestamptz, :entry_id::uuid);

-- name: sessions
-- Open sessions of each login that a review suspends, or has just taken a role from.
SELECT s.login::text, count(*)::integer FROM lua.review_sessions(:review_id::uuid) AS s GROUP BY s.login ORDER BY 1;

-- name: end_sessions$
-- Ends them, and waits until they are gone; returns how many there were.
SELECT lua.end_review_sessions(:review_id::uuid);

-- name: lift$
-- Lets a login in again that a review suspended; returns why not.
SELECT lua.lift_review(:review_id::uuid, :login::text);

-- name: undo$
-- Keeps that a suspension was lifted; returns of how many items.
SELECT lua.undo_review(:review_id::uuid, :login::text, :at::timestamptz);

-- name: bodies
-- The canonical bodies of all decisions, in their order.
SELECT d.body FROM lua.review_decision d WHERE d.review_id = :review_id::uuid ORDER BY d.decision_no;

-- name: outcome$
-- What the close of a review came to, in its bytes.
SELECT r.outcome FROM lua.review r WHERE r.review_id = :review_id::uuid;

-- name: handles
-- What commands call people, those who have left too.
SELECT p.person_id, p.handle FROM lua.person p;

-- name: chained^
-- Beginning and end of the chain: entry of the opening, digest of the snapshot, head, number of decisions.
SELECT r.entry_id, r.digest, r.head, r.decisions FROM lua.review r WHERE r.review_id = :review_id::uuid;

-- name: decisions
-- All decisions in their order, with what was hashed of them.
SELECT d.decision_no, d.item_no, d.decision, d.person_id, d.decided_by, d.milliseconds, d.batch, d.body, d.hash, d.entry_id
FROM lua.review_decision d WHERE d.review_id = :review_id::uuid ORDER BY d.decision_no;

-- name: stored
-- The items as they are on record, to be compared with the snapshot.
SELECT i.item_no, i.login, i.person_id, i.kind, i.object, i.rights FROM lua.review_item i WHERE i.review_id = :review_id::uuid ORDER BY i.item_no;

-- name: recorded
-- Which entries the ledger has of a review's opening, with this snapshot, and of its decisions.
SELECT e.id, e.action FROM (SELECT r.entry_id AS id FROM lua.review r WHERE r.review_id = :review_id::uuid
      UNION SELECT d.entry_id FROM lua.review_decision d WHERE d.review_id = :review_id::uuid) AS w
JOIN ledger.entry e ON e.id = w.id   -- the id tells the time, and so the partition
     AND e.at = timestamptz 'epoch' + ('x' || left(translate(w.id::text, '-', ''), 12))::bit(48)::bigint * interval '1 millisecond'
WHERE e.object = 'access-review:' || :review_id::uuid
  AND (e.action = 'access.review.decide'
       OR e.action = 'access.review.open' AND convert_from(e.body, 'UTF8')::jsonb -> 'detail' ->> 'snapshot' = :digest::text);

-- name: back_again
-- What was revoked, read back as gone, and is there again; and what failed and is still there.
SELECT i.item_no, i.login, i.object
FROM lua.review_item i JOIN lua.review r ON r.review_id = i.review_id
LEFT JOIN lua.review_decision d ON d.review_id = i.review_id AND d.decision_no = i.decision_no
WHERE i.review_id = :review_id::uuid AND r.closed_at IS NOT NULL AND coalesce(d.decision, 'revoke') IN ('revoke', 'reduce')
  AND i.outcome IN ('done', 'failed') AND (d.decision IS NOT NULL OR i.outcome = 'done')
  AND coalesce(lua.review_holds(
      i.login, i.kind, i.class, i.object_id, i.object,
      CASE WHEN d.target = 'no-admin' THEN ARRAY['ADMIN OPTION']
           WHEN d.decision = 'reduce' AND i.kind = 'grant'
           THEN ARRAY(SELECT u.name FROM unnest(i.rights) AS u (name) WHERE u.name <> ALL (string_to_array(d.target, ', ')))
           ELSE i.rights END), true)
ORDER BY i.item_no;

-- name: escalate
-- Hands what is undecided to whoever is above its reviewer; returns item, who had it, who has it.
SELECT e.item_no, e.before, e.reviewer FROM lua.escalate_review(:review_id::uuid, :at::timestamptz) AS e;

-- name: waiting
-- How many items of each open review wait for the session's person.
SELECT i.review_id, count(*)::integer FROM lua.review_item i JOIN lua.review r ON r.review_id = i.review_id
WHERE r.closed_at IS NULL AND i.decision_no IS NULL AND i.reviewer = lua.person_of(session_user) GROUP BY i.review_id;
