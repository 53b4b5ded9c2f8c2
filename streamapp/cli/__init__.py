"""The command line: one file per command, no logic. Heavy libraries load when a command runs, not for `--help`."""
