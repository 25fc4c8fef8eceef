//! `log` as the user writes it.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueHint};

/// `log`.
#[derive(Debug, Args)]
pub struct LogOptions {
    /// What to read.
    #[command(subcommand)]
    pub verb: LogVerb,
}

/// The verbs of `log`.
#[derive(Debug, Subcommand)]
pub enum LogVerb {
    /// List the runs and calls
    List {
        /// Only those with such requests.
        #[command(flatten)]
        filter: FilterOptions,
        /// Print one JSON object a line
        #[arg(long)]
        json: bool,
    },
    /// Show the requests of a run
    Show {
        /// The run: its id or an unambiguous beginning of it; every run where it is left out
        #[arg(value_name = "RUN", conflicts_with = "run")]
        one: Option<String>,
        /// Only such requests.
        #[command(flatten)]
        filter: FilterOptions,
        /// Print the records as they stand in the file
        #[arg(long)]
        json: bool,
    },
    /// Show requests as they end, until the run ends or you stop it
    Follow {
        /// The run: its id or an unambiguous beginning of it; every run where it is left out
        #[arg(value_name = "RUN", conflicts_with = "run")]
        one: Option<String>,
        /// Only such requests.
        #[command(flatten)]
        filter: FilterOptions,
        /// Print the records as they stand in the file
        #[arg(long)]
        json: bool,
    },
    /// Count requests by secret and by host
    Stats {
        /// Only such requests.
        #[command(flatten)]
        filter: FilterOptions,
        /// Print one JSON object a line
        #[arg(long)]
        json: bool,
    },
    /// Check that a log was not edited, cut or reordered
    Verify {
        /// The run: its id or an unambiguous beginning of it; every run where it is left out
        run: Option<String>,
        /// Print one JSON object a line
        #[arg(long)]
        json: bool,
    },
    /// Put back what a run wrote to its private copy of your home
    Restore {
        /// The run: its id or an unambiguous beginning of it
        run: String,
        /// Only this file, or what lies in this directory
        #[arg(value_hint = ValueHint::AnyPath)]
        path: Option<PathBuf>,
        /// Also what your tools obey, what you have changed since, and symlinks; what you have there stays beside it as
        /// `.agentsecrets-conflict`
        #[arg(long)]
        force: bool,
        /// Only say what would be done
        #[arg(long)]
        dry_run: bool,
        /// Ask nothing
        #[arg(long, short)]
        yes: bool,
        /// Print one JSON object a line
        #[arg(long)]
        json: bool,
    },
}

/// Which requests.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Which requests")]
pub struct FilterOptions {
    /// Those that this secret was used for, or meant for
    #[arg(long, value_name = "NAME")]
    pub secret: Option<String>,
    /// Those to this host; `*.DOMAIN` is every host below one
    #[arg(long, value_name = "HOST")]
    pub host: Option<String>,
    /// Those of this run
    #[arg(long, value_name = "RUN")]
    pub run: Option<String>,
    /// Those from this time on: 30m, 2h, 7d, 2026-11-25, 2026-11-25T10:00:00Z
    #[arg(long, value_name = "TIME")]
    pub since: Option<String>,
    /// Those that were answered so: 404, or 4xx
    #[arg(long, value_name = "STATUS")]
    pub status: Option<String>,
    /// Those that were refused
    #[arg(long)]
    pub blocked: bool,
}
