"""What `make bench` runs: each benchmark prints one line, its figure beside its limit or peer, measured in the same run."""
