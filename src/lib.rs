//! `agentsecrets run -- claude` starts an agent that can *use* credentials and can never *read* one.
//!
//! The map of the house. Data walks through it one way:
//!
//! ```text
//! cli -> world -> policy -> plan -> proxy up -> seal + spawn -> supervise -> close -> report
//! ```
//!
//! Each room has one job and says so in its first line; `tests/architecture.rs` holds who may import whom.

pub mod attack;
pub mod audit;
pub mod cli;
pub mod command;
pub mod exit;
pub mod manual;
pub mod mask;
pub mod plan;
pub mod policy;
pub mod prove;
pub mod proxy;
pub mod report;
pub mod run;
pub mod sandbox;
pub mod scrub;
pub mod secret;
pub mod source;
pub mod supervise;
pub mod sys;
pub mod world;
