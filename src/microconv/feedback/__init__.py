"""What became of past lists: were promises kept, and is a new model due."""
