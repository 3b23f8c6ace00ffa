"""Databases: exports come from any that Ibis reads, the list goes to PostgreSQL."""
