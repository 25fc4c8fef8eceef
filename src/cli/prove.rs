//! `prove` as the user writes it.

use clap::Args;

use super::Isolation;

/// `prove`.
#[derive(Debug, Args)]
pub struct ProveOptions {
    /// Attack runs at this level; `none` has nothing to prove
    #[arg(long, value_enum, value_name = "LEVEL", default_value = "sealed")]
    pub isolation: Isolation,
    /// Print the report as JSON: an array of objects with attack, group, control, inside and won
    #[arg(long)]
    pub json: bool,
    /// Give every attack a line for what it got outside and inside
    #[arg(long, short, conflicts_with = "json")]
    pub verbose: bool,
}
