"""What `make test-faults` runs, minutes long: the pipeline when the machine fails."""
