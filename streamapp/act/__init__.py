"""What is done about evidence: pure policy, no broker and no clock of its own."""
