//! What people read: errors, banner, summary, tables; pure functions to text, and the one writer to stderr.
