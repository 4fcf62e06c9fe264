"""Process 2: answers the desk: a thin HTTP API and the SAC page."""
