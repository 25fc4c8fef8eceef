//! The command line as the user writes it; opens nothing.
