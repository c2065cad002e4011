"""The admin API: what the operator's command line calls, on a Unix socket that only the operator can open."""
