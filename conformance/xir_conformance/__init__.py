"""Conformance: suites of cases as data, run on any runtime in isolated processes, told as JSON, JUnit and HTML."""
