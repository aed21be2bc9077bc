-- What the log says of itself is asked for often, among very many entries of other kinds.
SET LOCAL ROLE lua_owner;
CREATE INDEX entry_own ON ledger.entry (at, id) WHERE action IN ('ledger.cosign', 'ledger.origin.fork');
RESET ROLE;
