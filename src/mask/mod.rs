//! Which files are masked and what their masked bytes are.
