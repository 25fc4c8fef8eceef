//! Trees on disk and what is found in them.
