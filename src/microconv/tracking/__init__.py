"""The diary and the registry: what was run, with which result, and which model is which.

The only room that imports MLflow, and only inside functions: it takes seconds.
"""
