//! The seal: profile asked, enforcement got.
