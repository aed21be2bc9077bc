-- name: insert_instruction!
-- Records what a controller told its processor to do.
INSERT INTO lua.instruction (tenant_id, instruction_id, reference, purpose, given_by, valid_from, valid_until)
VALUES (:tenant_id::bigint, :instruction_id::uuid, :reference::text, :purpose::text, :given_by::text,
        :valid_from::timestamptz, :valid_until::timestamptz);

-- name: instructions
-- The instructions of a tenant, oldest first.
SELECT instruction_id, reference, purpose, given_by, valid_from, valid_until
FROM lua.instruction
WHERE tenant_id = :tenant_id::bigint
ORDER BY valid_from, instruction_id;

-- name: instruction^
-- One instruction by its reference.
SELECT instruction_id, reference, purpose, given_by, valid_from, valid_until
FROM lua.instruction
WHERE tenant_id = :tenant_id::bigint AND reference = :reference::text;
