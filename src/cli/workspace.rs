//! `workspace` and `init`: sets of secrets and of hosts.

use clap::{Args, Subcommand};

use super::secrets::StoreChoice;

/// `workspace`.
#[derive(Debug, Args)]
pub struct WorkspaceOptions {
    /// What to do.
    #[command(subcommand)]
    pub verb: WorkspaceVerb,
}

/// The verbs of `workspace`.
#[derive(Debug, Subcommand)]
pub enum WorkspaceVerb {
    /// List the workspaces
    List {
        /// Print one JSON object a line
        #[arg(long)]
        json: bool,
    },
    /// Make a workspace
    Create {
        /// Its name
        #[arg(value_name = "NAME")]
        name: String,
    },
    /// Make a workspace the active one
    Use {
        /// Its name
        #[arg(value_name = "NAME")]
        name: String,
    },
    /// Forget a workspace with its secrets
    Remove {
        /// Its name
        #[arg(value_name = "NAME")]
        name: String,
        /// Also when it holds secrets
        #[arg(long)]
        yes: bool,
    },
    /// Say which hosts requests may go to
    Allowlist {
        /// The workspace; the active one where it is left out
        #[arg(long, global = true, value_name = "NAME")]
        workspace: Option<String>,
        /// What to do.
        #[command(subcommand)]
        verb: AllowlistVerb,
    },
}

/// The verbs of `workspace allowlist`.
#[derive(Debug, Subcommand)]
pub enum AllowlistVerb {
    /// Allow hosts; binds no secret
    Add {
        /// Hosts: host, *.domain, or either with :port
        #[arg(required = true, value_name = "HOST[:PORT]")]
        hosts: Vec<String>,
    },
    /// No longer allow hosts
    Remove {
        /// The hosts as they were added
        #[arg(required = true, value_name = "HOST[:PORT]")]
        hosts: Vec<String>,
    },
    /// List the allowed hosts
    List {
        /// Print one JSON object a line
        #[arg(long)]
        json: bool,
    },
}

/// `init`.
#[derive(Debug, Args)]
pub struct InitOptions {
    /// The workspace to make; named after the project's folder where it is left out
    #[arg(long, value_name = "NAME")]
    pub workspace: Option<String>,
    /// Keep the values of what was recognised
    #[arg(long)]
    pub import: bool,
    /// Where the values are kept
    #[arg(long, value_enum, value_name = "STORE")]
    pub store: Option<StoreChoice>,
}
