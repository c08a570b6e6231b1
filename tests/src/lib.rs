//! The tests of this package are in `tests/`; it has no code of its own.
