"""Features of snapshots: the families, the feature matrix and the training set."""
