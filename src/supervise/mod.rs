//! The child's life: start, signals, end.
