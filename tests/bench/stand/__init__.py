"""The test stand of tests/bench/run: servers, what they use up, the work they are given, and the report."""
