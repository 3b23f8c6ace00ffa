"""The sorted event log on disk, and how outputs are written whole or not at all."""
