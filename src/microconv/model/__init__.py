"""Models: baselines, base models, their ensemble, and the artefact that scores."""
