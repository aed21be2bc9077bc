-- Users of the CRM are people whose data a tenant keeps, as contacts are: what they are found by is widened and corrected alike.
SET LOCAL ROLE lua_owner;
GRANT UPDATE (login_digest, index_version, email_index, name_index) ON crm.app_user TO lua_operator;
RESET ROLE;
