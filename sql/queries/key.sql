-- Named queries of the noun `key`: the tree, its claims, tombstones and locks (docs/reference/formats.md, 2).

-- name: tree^
-- Which tree this is, at which epoch, and the newest change of any node.
SELECT t.tree_id, t.epoch, coalesce((SELECT max(n.change) FROM vault.node n), 0) AS change FROM vault.tree t;

-- name: count_nodes$
-- How many nodes the tree has.
SELECT count(*) FROM vault.node;

-- name: epoch$
-- The epoch alone.
SELECT epoch FROM vault.tree;

-- name: insert_tree!
-- The one row, at the first epoch.
INSERT INTO vault.tree (tree_id, epoch, created_at, updated_at)
VALUES (:tree_id::uuid, 1, :at::timestamptz, :at::timestamptz);

-- name: fetch_nodes
-- Tree, epoch and the nodes of these paths in one snapshot; nulls in place of a node when there is none.
SELECT t.tree_id, t.epoch, n.path, n.version, n.blob
FROM vault.tree t LEFT JOIN vault.node n ON n.path = ANY (:paths::bytea[])
ORDER BY n.path;

-- name: some_nodes
-- The nodes of these paths.
SELECT path, version, blob FROM vault.node WHERE path = ANY (:paths::bytea[]);

-- name: insert_nodes
-- New nodes in the order of their paths; returns those that nobody else made first.
INSERT INTO vault.node (path, version, blob)
SELECT w.path, 1, w.blob FROM unnest(:paths::bytea[], :blobs::bytea[]) AS w(path, blob) ORDER BY w.path
ON CONFLICT (path) DO NOTHING RETURNING path;

-- name: newer_nodes
-- Every node that a key book at this change has not seen.
SELECT path, version, change, blob FROM vault.node WHERE change > :change::bigint ORDER BY change;

-- name: all_nodes
-- The whole tree, parents before children.
SELECT path, version, change, blob FROM vault.node ORDER BY path;

-- name: key_no$
-- A tenant's number in the tree; null when there is no such tenant.
SELECT vault.key_no(:tenant_id::bigint);

-- name: claim_numbers$
-- The first of so many fresh numbers of a space; to be called in a transaction of its own.
SELECT vault.claim(:tenant_id::bigint, :space::smallint, :count::bigint);

-- name: newest_slots
-- Claims of the newest key version of these subjects.
SELECT DISTINCT ON (subject_id) subject_id, version, slot_no FROM vault.slot
WHERE tenant_id = :tenant_id::bigint AND key_class = :key_class::smallint AND subject_id = ANY (:ids::uuid[])
ORDER BY subject_id, version DESC;

-- name: insert_slots!
-- First key versions, numbered one after another in the order of the ids; a subject that has one keeps it.
INSERT INTO vault.slot (tenant_id, subject_id, key_class, version, slot_no)
SELECT :tenant_id::bigint, w.id, :key_class::smallint, 1, :first::bigint + w.n - 1
FROM unnest(:ids::uuid[]) WITH ORDINALITY AS w(id, n)
ON CONFLICT DO NOTHING;

-- name: insert_new_slots!
-- The same for subjects that nobody else can know yet, without looking for theirs.
INSERT INTO vault.slot (tenant_id, subject_id, key_class, version, slot_no)
SELECT :tenant_id::bigint, w.id, :key_class::smallint, 1, :first::bigint + w.n - 1
FROM unnest(:ids::uuid[]) WITH ORDINALITY AS w(id, n);

-- name: delete_slots
-- Gives up all key versions of these subjects and classes, none of them held; returns the slots.
SELECT key_class, slot_no FROM vault.give_up_slots(:tenant_id::bigint, :ids::uuid[], :classes::smallint[]);

-- name: find_periods
-- Claims of these periods.
SELECT period_id, slot_no FROM vault.period
WHERE tenant_id = :tenant_id::bigint AND period_id = ANY (:periods::bigint[]);

-- name: hold_periods
-- Claims of these periods, which nobody can give up before this transaction has ended.
SELECT period_id, slot_no FROM vault.hold_periods(:tenant_id::bigint, :periods::bigint[]);

-- name: insert_period!
-- Claims a slot for a period, unless somebody else did.
INSERT INTO vault.period (tenant_id, period_id, slot_no)
VALUES (:tenant_id::bigint, :period_id::bigint, :slot_no::bigint) ON CONFLICT DO NOTHING;

-- name: delete_periods
-- Gives up the keys of these periods, under which no held row lies; returns their slots.
SELECT period_id, slot_no FROM vault.give_up_periods(:tenant_id::bigint, :periods::bigint[]);

-- name: insert_tombstones!
-- What was dropped, so that every later restore drops it again.
INSERT INTO vault.tombstone (tenant_id, mark, epoch, dropped_at)
SELECT :tenant_id::bigint, w.mark, :epoch::bigint, :at::timestamptz FROM unnest(:marks::bytea[]) AS w(mark)
ON CONFLICT DO NOTHING;

-- name: turn_epoch$
-- The next epoch, if the tree and each of these nodes are still as they were read, and no registered place is left out.
SELECT vault.turn_epoch(:epoch::bigint, :at::timestamptz, :paths::bytea[], :versions::integer[], :blobs::bytea[],
                        :places::uuid[]);

-- name: lock_row^
-- Locks the row of the tree until the transaction ends.
SELECT tree_id, epoch FROM vault.lock_tree();

-- name: lock_shared
-- For whoever creates nodes: nobody drops keys until this transaction has ended.
SELECT pg_advisory_xact_lock_shared(:lock::bigint);

-- name: counters
-- Every counter of every tenant.
SELECT tenant_id, space, next_no FROM vault.counters();

-- name: tombstones
-- Tombstones of every tenant that are newer than an epoch.
SELECT tenant_id, mark, epoch, dropped_at FROM vault.tombstones(:epoch::bigint);

-- name: claimed
-- Every claim of every tenant: which number of which space holds a living key.
SELECT tenant_id, key_no, space, slot_no FROM vault.claimed();

-- name: insert_fates!
-- What holders answered when they were told to destroy a root; the first answer stays.
INSERT INTO vault.fate (epoch, holder, state, level, medium, scheduled_at, effective_at, place_id)
SELECT w.epoch, w.holder, w.state, w.level, w.medium, w.scheduled_at, w.effective_at, p.place_id
FROM unnest(:epochs::bigint[], :holders::text[], :states::text[], :levels::text[], :media::text[],
            :scheduled::timestamptz[], :effective::timestamptz[], :places::uuid[])
     AS w(epoch, holder, state, level, medium, scheduled_at, effective_at, place_id)
LEFT JOIN vault.place p ON p.place_id = w.place_id
ON CONFLICT DO NOTHING;

-- name: fates
-- What became of the root of an epoch, by holder.
SELECT holder, epoch, state, level, medium, scheduled_at, effective_at, place_id FROM vault.fate
WHERE epoch = :epoch::bigint ORDER BY holder;

-- name: delete_versions
-- Gives up single key versions, which newer ones take the place of, none of them held; returns the slots.
SELECT key_class, slot_no
FROM vault.give_up_versions(:tenant_id::bigint, :ids::uuid[], :classes::smallint[], :versions::integer[]);

-- name: delete_tenant$
-- Gives up all keys of a tenant, which no hold keeps; returns how many.
SELECT vault.give_up_tenant(:tenant_id::bigint);

-- name: insert_version!
-- A newer key version of a subject that has one already.
INSERT INTO vault.slot (tenant_id, subject_id, key_class, version, slot_no)
VALUES (:tenant_id::bigint, :subject_id::uuid, :key_class::smallint, :version::integer, :slot_no::bigint);

-- name: nodes_below
-- These nodes and all below them; an empty path means the whole tree.
SELECT n.path, n.version, n.blob FROM unnest(:bases::bytea[]) AS w(base)
JOIN vault.node n ON n.path >= w.base AND n.path < w.base || '\xff'::bytea;

-- name: prune$
-- Deletes the nodes at and below these paths, whose keys were dropped; returns how many.
SELECT vault.prune(:paths::bytea[]);

-- name: numbers
-- The next number of each tenant, by its number in the tree, and space.
SELECT key_no, space, next_no FROM vault.numbers();

-- name: open_releases
-- Node keys that are released and not ended, with the public keys that they are sealed to.
SELECT tenant_id, release_id, public_key, expires_at, path FROM vault.open_releases();

-- name: renew_releases!
-- Released node keys of a new version, sealed anew.
SELECT vault.renew_releases(:tenants::bigint[], :ids::uuid[], :paths::bytea[], :versions::integer[], :sealed::bytea[]);

-- name: end_releases$
-- Ends releases whose part of the tree has new keys; returns how many.
SELECT vault.end_releases(:tenants::bigint[], :ids::uuid[], :reasons::text[], :epoch::bigint, :at::timestamptz);

-- name: my_release_keys
-- What is released to this login: epoch, release, path, version, sealed key, and until when.
SELECT epoch, release_id, path, version, sealed, expires_at FROM vault.my_release_keys(:tenant_id::bigint);

-- name: give_release$
-- A release to a person, with node keys sealed to them; an error for whoever is not bound, or may not hold keys.
SELECT vault.give_release(
    :tenant_id::bigint, :release_id::uuid, :person::text, :parts::text[], :public_key::bytea, :purpose::text, :at::timestamptz,
    :expires_at::timestamptz, :paths::bytea[], :versions::integer[], :sealed::bytea[]);

-- name: revocation_outcomes
-- What the ledger says of the taking back of a release, as far as whoever asks may see it.
SELECT e.outcome FROM ledger.entry e WHERE e.action = 'key.release.revoke' AND e.object = :object::text;

-- name: releases
-- Every release of every tenant, oldest first.
SELECT r.tenant_id, d.slug, r.release_id, r.person, r.parts, r.purpose, r.released_by, r.created_at, r.expires_at,
       r.ended_at, r.ended_by, r.ended_epoch, r.end_reason
FROM vault.releases() r JOIN lua.tenant_directory d ON d.tenant_id = r.tenant_id ORDER BY r.release_id;

-- name: has_login$
-- Whether somebody can log in by that name.
SELECT EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = :person::text AND rolcanlogin);

-- name: may_hold$
-- Whether whoever logs in by that name is bound, and may hold keys besides the rest of their duties; else an error.
SELECT lua.require_bound(:person::name, :at::timestamptz) AND lua.check_duties_of_logins(ARRAY[:person::name], '{keys}', :at::timestamptz);

-- name: node_marks
-- Version and SHA-256 of every node: enough to compare the tree with a key book.
SELECT path, version, sha256(blob) FROM vault.node;

-- name: lay_epoch$
-- Moves the tree forward to the epoch of a key book.
SELECT vault.lay_epoch(:tree_id::uuid, :epoch_from::bigint, :epoch_to::bigint, :change::bigint, :at::timestamptz);

-- name: lay_nodes$
-- Puts nodes of a key book in the place of older ones.
SELECT vault.lay_nodes(:paths::bytea[], :versions::integer[], :blobs::bytea[]);

-- name: lay_counters$
-- Raises counters, so that no number is ever handed out twice.
SELECT vault.lay_counters(:tenant_ids::bigint[], :spaces::smallint[], :next::bigint[]);

-- name: lay_tombstones$
-- Remembers again what was dropped.
SELECT vault.lay_tombstones(:tenant_ids::bigint[], :marks::bytea[], :epochs::bigint[], :ats::timestamptz[]);

-- name: root_since^
-- Today's epoch, and since when its root is in use.
SELECT epoch, updated_at FROM vault.tree;

-- name: fates_left
-- What became of the root before today's, and of every root that can still be brought back; newest epoch first.
SELECT f.holder, f.epoch, f.state, f.level, f.medium, f.scheduled_at, f.effective_at
FROM vault.fate f CROSS JOIN vault.tree t
WHERE f.epoch = t.epoch - 1 OR f.effective_at > :at::timestamptz
ORDER BY f.epoch DESC, f.holder;

-- name: epochs_ended
-- When these epochs ended: their root was told to go.
SELECT epoch, min(scheduled_at) FROM vault.fate WHERE epoch = ANY (:epochs::bigint[]) GROUP BY epoch;

-- name: places
-- Every holder and key book that was ever registered, oldest first.
SELECT place_id, kind, name, host, registered_at, registered_by, registered_epoch, retired_at, retired_by, retired_epoch,
       reason, root_left
FROM vault.place ORDER BY registered_at, place_id;

-- name: register_place$
-- Registers a place, unless it is; returns how many: 1 or 0.
SELECT vault.register_place(:place_id::uuid, :kind::text, :name::text, :host::text, :at::timestamptz);

-- name: retire_place$
-- Ends a place; returns how many: 1, or 0 when it has ended.
SELECT vault.retire_place(:place_id::uuid, :reason::text, :root_left::boolean, :at::timestamptz);

-- name: unanswered
-- Holders that had the root of an epoch, kept it when they were retired, and never said that it is gone.
SELECT p.place_id, p.kind, p.name, p.host, p.registered_at, p.registered_by, p.registered_epoch, p.retired_at,
       p.retired_by, p.retired_epoch, p.reason, p.root_left
FROM vault.place p
WHERE p.kind = 'holder' AND p.registered_epoch <= :epoch::bigint
  AND (p.retired_epoch IS NULL OR (p.retired_epoch >= :epoch::bigint AND p.root_left))
  AND NOT EXISTS (SELECT FROM vault.fate f WHERE f.epoch = :epoch::bigint
                  AND (f.place_id = p.place_id OR (f.place_id IS NULL AND f.holder = p.name)))
ORDER BY p.name, p.place_id;
