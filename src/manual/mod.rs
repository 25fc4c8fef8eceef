//! The book: threat model, promises and the tests that hold them.
