"""What each vendor calls the fields of an event: one YAML file per vendor, and its loader."""
