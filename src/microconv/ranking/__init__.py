"""From a model and events to a prospect list with reasons and next steps."""
