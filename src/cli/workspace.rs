//! `workspace` and `init`: sets of secrets and of hosts.

use clap::{Args, Subcommand, ValueEnum};

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
    /// Keep the values of what was recognised; asked where there is a terminal
    #[arg(long)]
    pub import: bool,
    /// Ask nothing: keep the values of what was recognised, and change files only as `--leave` says
    #[arg(long)]
    pub yes: bool,
    /// What stays in `.env` files in the place of a value that is kept now
    #[arg(long, value_enum, value_name = "WHAT")]
    pub leave: Option<LeaveChoice>,
    /// Put the files back as they were before `--leave` changed them
    #[arg(long, conflicts_with_all = ["import", "yes", "leave"])]
    pub undo: bool,
    /// Where the values are kept
    #[arg(long, value_enum, value_name = "STORE")]
    pub store: Option<StoreChoice>,
}

/// `--leave`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LeaveChoice {
    /// The file stays as it is
    Values,
    /// `agentsecrets:NAME`, which a run reads as the secret of that name
    Placeholders,
    /// Nothing: the key with an empty value
    Nothing,
}
