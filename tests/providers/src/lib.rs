//! Tests of how the client is built: see `tests/`. Which build it is, the features of this package say.
