"""Process 1: pulls the changed leaflets of all ERPs and writes them into OpenSearch."""
