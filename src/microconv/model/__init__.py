"""Models: rules of thumb, trees, regression, their ensemble, and the artefact that scores."""
