//! `policy` as the user writes it.

use clap::{Args, Subcommand};

/// `policy`.
#[derive(Debug, Args)]
pub struct PolicyOptions {
    /// What to do.
    #[command(subcommand)]
    pub verb: PolicyVerb,
}

/// The verbs of `policy`.
#[derive(Debug, Subcommand)]
pub enum PolicyVerb {
    /// Show what holds here: all layers as one
    Show {
        /// Take this workspace's file; the active one's where it is left out
        #[arg(long, value_name = "NAME")]
        workspace: Option<String>,
        /// Trust the project's file for this once if it has this fingerprint (agentsecrets trust --hash); one of several
        #[arg(long, value_name = "sha256:HEX")]
        trust: Vec<String>,
        /// Say for each value which line it comes from
        #[arg(long)]
        origin: bool,
        /// Print one JSON object, origins included
        #[arg(long)]
        json: bool,
    },
    /// Read every policy file that counts here, and say what is wrong
    Check {
        /// Take this workspace's file; the active one's where it is left out
        #[arg(long, value_name = "NAME")]
        workspace: Option<String>,
        /// Trust the project's file for this once if it has this fingerprint (agentsecrets trust --hash); one of several
        #[arg(long, value_name = "sha256:HEX")]
        trust: Vec<String>,
    },
    /// Say whether a request would be allowed, and by which rule; nothing is sent and no value fetched
    Test {
        /// The method
        method: String,
        /// The URL
        url: String,
        /// Would this secret go along
        #[arg(long, value_name = "NAME")]
        secret: Vec<String>,
        /// Take this workspace's file; the active one's where it is left out
        #[arg(long, value_name = "NAME")]
        workspace: Option<String>,
        /// Trust the project's file for this once if it has this fingerprint (agentsecrets trust --hash); one of several
        #[arg(long, value_name = "sha256:HEX")]
        trust: Vec<String>,
        /// Print one JSON object
        #[arg(long)]
        json: bool,
    },
    /// List the agents that are known: how each is recognised and what it gets
    Agents {
        /// Print one JSON object a line
        #[arg(long)]
        json: bool,
    },
    /// List the services whose credentials are brokered: variables, hosts, headers
    Services {
        /// Print one JSON object a line
        #[arg(long)]
        json: bool,
    },
}
