"""MLflow: the run log, the model registry and the champion.

The only package that imports MLflow, and only inside functions: the import takes seconds.
"""
