//! Drives the built program against a local upstream. Every run here is also a leak test: see [`support::finished`].
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that meets what it did not expect fails")]
#![allow(clippy::disallowed_methods, reason = "tests start programs and tasks of their own")]
#![allow(clippy::print_stderr, reason = "a skipped test says so")]

mod agents;
mod aside;
mod bad_input;
mod browser;
mod call;
mod catalogue;
mod chaos;
mod clients;
mod echo;
mod egress;
mod exhaustion;
mod files;
mod guarded;
mod harness;
mod jobs;
mod kept;
mod levels;
mod lifecycle;
mod live;
mod merges;
mod places;
mod policy;
mod ports;
mod prove;
mod scan;
mod stores;
mod streams;
mod support;
mod sweep;
mod terminal;
mod transparency;
mod view;
