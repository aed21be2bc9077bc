"""Which tests depend on the version of their server, so that they are run on all of them."""

from __future__ import annotations

# Their server only holds data, which every version does alike; what else uses one is tried on all versions.
ALIKE = {
    "test_cli", "test_completion", "test_crm_chinook", "test_crm_cli", "test_erasure_chinook",
    "test_injection", "test_key_holder", "test_portable", "test_profile", "test_promise_waiver", "test_shape",
    "test_startup", "test_tenant_import", "test_version",
}  # fmt: skip
# What they ask of a server may be answered otherwise by another version: catalogs, roles, partitions, row
# security, locks, statistics, WAL, TLS, how it ends; and the story of all commands, which runs most queries.
VERSIONED = {
    "test_access", "test_access_attempt", "test_access_cut", "test_access_login", "test_access_login_tls",
    "test_access_state", "test_connect", "test_crash", "test_db",
    "test_dedicated", "test_dedicated_migration", "test_doctor", "test_embedded", "test_erasure_races",
    "test_failures_connection", "test_failures_lock", "test_failures_server", "test_isolation",
    "test_ledger_complete", "test_ledger_lies", "test_lint", "test_log_real",
    "test_pooler", "test_pooler_story",
    "test_profile_login", "test_promise", "test_promise_dedicated", "test_promise_entrance",
    "test_residue", "test_residue_cli", "test_residue_since", "test_residue_unpack", "test_roles",
    "test_schema", "test_tenant_show",
    "test_termination",
}  # fmt: skip
