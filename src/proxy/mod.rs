//! The broker: swaps placeholders for values on the wire and scrubs values from what comes back.
