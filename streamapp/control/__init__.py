"""Control: the log followed by workers and written by whoever may, and what a leader does with evidence."""
