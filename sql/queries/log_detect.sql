-- name: counted_rows
-- Rows that a rule counts: when, which, by what they are told apart and what is counted; {relation}, {groups}, {value},
-- {people}, {condition} and {first} are written by luactl.log.detect.episode.
SELECT a.at, a.id, ARRAY[{groups}]::text[] AS g, {value}::text AS v
FROM {relation} a CROSS JOIN LATERAL unnest({people}::uuid[]) AS p(person)
WHERE a.at >= {first}::timestamptz AND a.at < :until::timestamptz AND {condition}

-- name: rows_of_people
-- The same where a group's people are counted that it did not touch for :lookback: rows from :begin on, and of each person
-- among them one row before, if there is any in that time, by the indexes that go by people. So the cost is that of what is
-- counted, however much lies before.
WITH recent AS MATERIALIZED (
    {recent}
)
SELECT * FROM recent
UNION ALL
SELECT o.at, o.id, n.g, n.v
FROM (SELECT r.g, r.v, min(r.at) - make_interval(secs => :lookback::double precision) AS after
      FROM recent r WHERE r.v IS NOT NULL GROUP BY r.g, r.v) AS n
CROSS JOIN LATERAL ({earlier} LIMIT 1) AS o

-- name: rows_before
-- Rows of a group about a person that lie before those which are counted; {about} is written as the rest.
SELECT a.at, a.id FROM {relation} a
WHERE a.at >= n.after AND a.at >= :earliest::timestamptz AND a.at < :begin::timestamptz AND {about} AND ARRAY[{groups}]::text[] = n.g AND {condition}

-- name: episodes
-- Stretches of time in which a window of :span that ends at a row holds at least :least different values, by group.
-- A value stays in the window from its row on for :span: so +1 where it comes in and -1 after it has gone, summed in the
-- order of time, is how many there are, and an event that ends a window counts with it. With :lookback only rows count
-- whose value the group did not have for so long. Rows of windows that are enough make an episode, as long as none lies
-- further than :span from the one before (so the last one is a hit); it counts when that lies in the span that was asked.
WITH found AS (
    {rows}
), sighted AS (
    SELECT f.at, f.id, f.g, f.v, lag(f.at) OVER (PARTITION BY f.g, f.v ORDER BY f.at, f.id) AS before,
           max(f.at) OVER (PARTITION BY f.g ORDER BY f.at
               RANGE BETWEEN make_interval(secs => coalesce(:lookback::double precision, 0)) PRECEDING
                         AND make_interval(secs => :span::double precision) PRECEDING) AS known
    FROM found f WHERE f.v IS NOT NULL
), counted AS (
    SELECT s.at, s.id, s.g, s.v, lag(s.at) OVER same AS before, lead(s.at) OVER same AS after
    FROM sighted s
    WHERE s.at >= :begin::timestamptz AND (NOT :needs_history::boolean OR s.known IS NOT NULL)
      AND (:lookback::double precision IS NULL OR s.before IS NULL
           OR s.before < s.at - make_interval(secs => :lookback::double precision))
    WINDOW same AS (PARTITION BY s.g, s.v ORDER BY s.at, s.id)
), steps AS (
    SELECT c.g, c.at, c.id, c.v, 0 AS comes,
           (c.before IS NULL OR c.before < c.at - make_interval(secs => :span::double precision))::integer AS step
    FROM counted c
    UNION ALL
    SELECT c.g, c.at + make_interval(secs => :span::double precision), NULL, NULL, 1, -1
    FROM counted c WHERE c.after IS NULL OR c.after > c.at + make_interval(secs => :span::double precision)
), running AS (
    SELECT s.g, s.at, s.id, s.v, s.comes,
           s.comes = 0 AND sum(s.step) OVER (PARTITION BY s.g ORDER BY s.at, s.comes) >= :least::bigint AS is_hit
    FROM steps s
), within AS (
    SELECT r.*, bool_or(r.is_hit) OVER (PARTITION BY r.g ORDER BY r.at
               RANGE BETWEEN CURRENT ROW AND make_interval(secs => :span::double precision) FOLLOWING) AS is_in
    FROM running r
), cut AS (
    SELECT w.*, coalesce(w.at - lag(w.at) OVER (PARTITION BY w.g ORDER BY w.at, w.id)
                         > make_interval(secs => :span::double precision), true)::integer AS is_new
    FROM within w WHERE w.comes = 0 AND w.is_in
), numbered AS (
    SELECT c.*, sum(c.is_new) OVER (PARTITION BY c.g ORDER BY c.at, c.id) AS episode FROM cut c
)
SELECT n.g, min(n.at), max(n.at), count(DISTINCT n.v), count(DISTINCT n.id), (array_agg(DISTINCT n.id ORDER BY n.id))[1 : 100]
FROM numbered n GROUP BY n.g, n.episode
HAVING max(n.at) >= :since::timestamptz
ORDER BY 2, 1;

-- name: sequences
-- Rows of {then_rows} that come, within :within, after a hit of {rows} (counted as above), with the rows of that, by group.
WITH counted AS (
    SELECT f.at, f.id, f.g, f.v, lag(f.at) OVER same AS before, lead(f.at) OVER same AS after
    FROM ({rows}) f WHERE f.v IS NOT NULL WINDOW same AS (PARTITION BY f.g, f.v ORDER BY f.at, f.id)
), steps AS (
    SELECT c.g, c.at, c.id, 0 AS comes,
           (c.before IS NULL OR c.before < c.at - make_interval(secs => :span::double precision))::integer AS step
    FROM counted c
    UNION ALL
    SELECT c.g, c.at + make_interval(secs => :span::double precision), NULL, 1, -1
    FROM counted c WHERE c.after IS NULL OR c.after > c.at + make_interval(secs => :span::double precision)
), running AS (
    SELECT s.g, s.at, s.id, s.comes, sum(s.step) OVER (PARTITION BY s.g ORDER BY s.at, s.comes) >= :least::bigint AS is_hit
    FROM steps s
), beside AS (
    SELECT r.g, r.at, r.id, r.is_hit, false AS is_then FROM running r WHERE r.comes = 0
    UNION ALL
    SELECT t.g, t.at, t.id, false, true FROM ({then_rows}) t
), met AS (
    SELECT b.*, b.is_then AND coalesce(max(b.at) FILTER (WHERE b.is_hit) OVER (PARTITION BY b.g ORDER BY b.at, b.is_then DESC)
                                       >= b.at - make_interval(secs => :within::double precision), false) AS is_met
    FROM beside b
), within AS (
    SELECT m.*, bool_or(m.is_met) OVER (PARTITION BY m.g ORDER BY m.at
               RANGE BETWEEN CURRENT ROW AND make_interval(secs => :reach::double precision) FOLLOWING) AS is_in
    FROM met m
), cut AS (
    SELECT w.*, coalesce(w.at - lag(w.at) OVER (PARTITION BY w.g ORDER BY w.at, w.id)
                         > make_interval(secs => :reach::double precision), true)::integer AS is_new
    FROM within w WHERE w.is_met OR (w.is_in AND NOT w.is_then)
), numbered AS (
    SELECT c.*, sum(c.is_new) OVER (PARTITION BY c.g ORDER BY c.at, c.id) AS episode FROM cut c
)
SELECT n.g, min(n.at), max(n.at), count(DISTINCT n.id), count(DISTINCT n.id), (array_agg(DISTINCT n.id ORDER BY n.id))[1 : 100]
FROM numbered n GROUP BY n.g, n.episode
HAVING max(n.at) >= :since::timestamptz
ORDER BY 2, 1;

-- name: slugs
-- Names of tenants by their number.
SELECT d.tenant_id::text, d.slug FROM lua.tenant_directory d WHERE d.tenant_id = ANY (:tenant_ids::bigint[]);

-- name: last_run^
-- Up to when the last run that asked every rule looked, and the newest line of each source then.
SELECT until, seen FROM lua.log_run WHERE is_whole ORDER BY at DESC, run_id DESC LIMIT 1;

-- name: deliveries
-- Sources, and from when to when lines came in from them.
SELECT s.source_id, s.name, s.format, s.ended_at, min(f.first_at), max(f.last_at)
FROM lua.log_source s LEFT JOIN lua.log_file f USING (source_id) GROUP BY s.source_id ORDER BY s.name;

-- name: has_line$
-- Whether a source said anything within a time.
SELECT EXISTS (SELECT FROM lua.log_line l WHERE l.source_id = :source_id::uuid AND l.at >= :since::timestamptz
               AND l.at < :until::timestamptz);

-- name: has_audit$
-- Whether pgaudit said anything within a time.
SELECT EXISTS (SELECT FROM lua.log_line l WHERE l.at >= :since::timestamptz AND l.at < :until::timestamptz
               AND starts_with(l.action, 'statement.') AND starts_with(l.message, 'AUDIT: '));

-- name: pruned_to$
-- When the oldest entry is that was not pruned; null when none ever was.
SELECT min(e.at) FROM ledger.entry e WHERE EXISTS (SELECT FROM ledger.minimum);

-- name: findings
-- Findings as their newest sightings say, newest first: of these rules, this one, or seen since a time; all where null.
SELECT f.finding_id, f.rule_id, f.rule, f.title, f.level, f.grouped, s.first_at, s.last_at, s.count, s.events, s.evidence,
       r.at AS found_at, r.run_id
FROM lua.log_finding f
CROSS JOIN LATERAL (SELECT * FROM lua.log_sighting o WHERE o.finding_id = f.finding_id ORDER BY o.run_id DESC LIMIT 1) s
JOIN lua.log_run r ON r.run_id = s.run_id
WHERE (:rule_ids::uuid[] IS NULL OR f.rule_id = ANY (:rule_ids::uuid[]))
  AND (:finding_id::uuid IS NULL OR f.finding_id = :finding_id::uuid)
  AND (:since::timestamptz IS NULL OR s.last_at >= :since::timestamptz)
ORDER BY s.last_at DESC, f.finding_id DESC LIMIT :limit::bigint;

-- name: one_at_a_time!
-- Two runs at once would each take the same for new.
SELECT pg_advisory_xact_lock(7095836100211);

-- name: insert_run!
-- A run.
INSERT INTO lua.log_run (run_id, since, until, at, is_whole, rules, seen, entry_id)
VALUES (:run_id::uuid, :since::timestamptz, :until::timestamptz, :at::timestamptz, :is_whole::boolean, :rules::jsonb, :seen::jsonb,
        :entry_id::uuid);

-- name: insert_finding!
-- Something new.
INSERT INTO lua.log_finding (finding_id, run_id, rule_id, rule, title, level, digest, grouped)
VALUES (:finding_id::uuid, :run_id::uuid, :rule_id::uuid, :rule::text, :title::text, :level::text, :digest::text, :grouped::json);

-- name: insert_sighting!
-- What a run saw of it.
INSERT INTO lua.log_sighting (finding_id, run_id, first_at, last_at, count, events, evidence)
VALUES (:finding_id::uuid, :run_id::uuid, :first_at::timestamptz, :last_at::timestamptz, :count::bigint, :events::bigint,
        :evidence::uuid[]);

-- name: untold
-- Findings of these levels, seen since a time, that a channel was not told of, or of less than half.
SELECT f.finding_id, f.rule_id, f.rule, f.title, f.level, f.grouped, s.first_at, s.last_at, s.count, s.events, s.evidence,
       r.at AS found_at, r.run_id
FROM lua.log_finding f
CROSS JOIN LATERAL (SELECT * FROM lua.log_sighting o WHERE o.finding_id = f.finding_id ORDER BY o.run_id DESC LIMIT 1) s
JOIN lua.log_run r ON r.run_id = s.run_id
WHERE r.at >= :since::timestamptz AND f.level = ANY (:levels::text[]) AND NOT EXISTS (
    SELECT FROM lua.log_alert a JOIN lua.log_sighting o ON o.finding_id = a.finding_id AND o.run_id = a.run_id
    WHERE a.finding_id = f.finding_id AND a.channel = :channel::text AND a.problem IS NULL AND o.count * 2 > s.count)
ORDER BY f.finding_id;

-- name: insert_alert!
-- An attempt to tell of a finding.
INSERT INTO lua.log_alert (alert_id, finding_id, run_id, channel, at, problem)
VALUES (:alert_id::uuid, :finding_id::uuid, :run_id::uuid, :channel::text, :at::timestamptz, :problem::text);
