"""From a bucket of the log to arrays, questions and labels."""
