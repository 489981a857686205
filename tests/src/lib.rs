//! Whole-system tests: see `it/`. One test binary, one server, a database per test.
