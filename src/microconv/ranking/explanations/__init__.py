"""Why a prospect is on the list, in words."""
