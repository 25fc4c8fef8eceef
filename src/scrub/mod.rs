//! The child's environment: the only maker of a scrubbed one.
