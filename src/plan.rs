//! Every decision of a run as plain data.
