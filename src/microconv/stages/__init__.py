"""One thin program per DVC stage: read, call, write; and the table that puts them in order."""
