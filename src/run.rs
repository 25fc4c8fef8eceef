//! The conductor: order of start, order of teardown.
