"""Models: rules of thumb, trees, regression, their blend, and the artefact that scores."""
