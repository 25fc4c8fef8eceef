//! `trust` as the user writes it.

use std::path::PathBuf;

use clap::Args;

/// `trust`.
#[derive(Debug, Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
#[command(
    after_help = "A project's agentsecrets.toml may narrow what your own configuration allows, and grants nothing \
by itself: whoever writes to the project could else widen a run. Trusted, that very content may bind secrets to hosts, \
say how they are sent and which command or server gives them, choose a workspace, open egress, ports of loopback and \
plaintext http, keep variables, make places writable and weaken the isolation. Any other byte takes all of that back. \
It may not choose a store, name a stored value, or name a command or certificate that lies in the project: where values \
lie is each user's own, and what lies in the project can be another thing when it is used."
)]
pub struct TrustOptions {
    /// Trust it without a question; what it grants is shown all the same
    #[arg(long)]
    pub yes: bool,
    /// Print the fingerprint of the project's file, for `--trust` in a CI job, and do nothing else
    #[arg(long, conflicts_with_all = ["yes", "list", "remove"])]
    pub hash: bool,
    /// List what is trusted
    #[arg(long, conflicts_with_all = ["yes", "remove"])]
    pub list: bool,
    /// No longer trust the project's file, or the one at PATH
    #[arg(long, visible_alias = "revoke", value_name = "PATH", num_args = 0..=1, conflicts_with = "yes")]
    pub remove: Option<Option<PathBuf>>,
    /// Print JSON, and ask nothing
    #[arg(long, conflicts_with_all = ["hash", "remove"])]
    pub json: bool,
}
