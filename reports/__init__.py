"""What a run was worth: round trips, equity, figures and pages, computed from records alone."""
