"""The conformance suite (`persisty.testing.conformance`) over this project's engines, and tests of the suite itself."""
