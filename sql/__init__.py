"""SQL as data: migrations, named queries, probes."""
