//! The one reader of ambient state.
