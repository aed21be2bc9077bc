-- name: plant_role!
-- A role of a throw-away tenant.
INSERT INTO crm.role (tenant_id, role, permissions) VALUES (:tenant_id::bigint, :role::text, :permissions::text[]);

-- name: plant_user$
-- A user without roles, whom only a function writes.
SELECT crm.add_user(:tenant_id::bigint, :id::uuid, :id::uuid, '\x01', sha256('probe'), 0::smallint, NULL, '{}', '{}', now(), :id::uuid);

-- name: give$
-- One role in place of any other, and a state.
SELECT crm.change_user(:tenant_id::bigint, :id::uuid, ARRAY[:role::text], :state::text, NULL, now(), :id::uuid);

-- name: decisions
-- Whether that user may do each thing that there is to do.
SELECT o.object, a.action, crm.may(:tenant_id::bigint, :id::uuid, a.action, o.object)
FROM lua.permission_object o CROSS JOIN LATERAL unnest(o.actions) AS a (action)
ORDER BY 1, 2;
