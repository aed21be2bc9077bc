-- The mark of elevated logins has no right of its own: these ask lua.as_itself() by the group role that they were given.
SET LOCAL ROLE lua_owner;
REVOKE EXECUTE ON FUNCTION lua.as_itself() FROM lua_elevated;
RESET ROLE;
