//! The flags that decide a plan, shared by `run` and `explain`.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, ValueEnum};

/// What is decided before anything starts.
#[derive(Debug, Clone, Args)]
pub struct PlanOptions {
    /// Where the child may send requests: any host on ports 80 and 443, or only listed and bound ones
    #[arg(long, value_enum, value_name = "WHICH")]
    pub egress: Option<EgressChoice>,
    /// Offer the secrets of this workspace; those of the active one where it is left out
    #[arg(long, value_name = "NAME")]
    pub workspace: Option<String>,
    /// Trust the project's file for this once if it has this fingerprint (agentsecrets trust --hash); one of several
    #[arg(long, value_name = "sha256:HEX")]
    pub trust: Vec<String>,
    /// Allow a target: host, *.domain, or either with :port
    #[arg(long, value_name = "HOST[:PORT]")]
    pub allow: Vec<String>,
    /// Let the child reach this port of the host's own loopback, or this Unix socket of the host
    #[arg(long, value_name = "PORT|[HOSTPATH:]PATH", value_parser = loopback)]
    pub loopback: Vec<Loopback>,
    /// Make a port of the child reachable on the host, as `docker run -p` does; `auto`: every port that it opens
    #[arg(long, short = 'p', value_name = "[[HOST:]HOSTPORT:]PORT|auto")]
    pub publish: Vec<String>,
    /// Do not open links in your browser for the child
    #[arg(long)]
    pub no_browser: bool,
    /// Behave as in a CI job, also where `CI` is not `true`: no terminal, no browser, a summary for the job
    #[arg(long, overrides_with = "no_ci")]
    pub ci: bool,
    /// Behave as outside of one, also where `CI` is `true`
    #[arg(long, overrides_with = "ci")]
    pub no_ci: bool,
    /// Send requests for one target to another address, as curl does; for tests and private deployments
    #[arg(long, value_name = "HOST1:PORT1:HOST2:PORT2")]
    pub connect_to: Vec<String>,
    /// Point a service's base-URL variables at the broker, for clients that take no proxy
    #[arg(long, value_name = "SERVICE")]
    pub base_urls: Vec<String>,
    /// Have a language's start-up load what leads its clients to the broker, where no seal does
    #[arg(long, value_enum, value_name = "LANGUAGE")]
    pub hook: Vec<Hook>,
    /// Trust the certificates in this PEM file upstream, too
    #[arg(long, value_name = "FILE")]
    pub upstream_ca: Vec<PathBuf>,
    /// How strongly the child is confined
    #[arg(long, value_enum, value_name = "LEVEL")]
    pub isolation: Option<Isolation>,
    /// Pass a variable on as it is, though it looks secret
    #[arg(long, value_name = "VAR", value_parser = variable)]
    pub keep: Vec<String>,
    /// Hide a variable, though it does not look secret
    #[arg(long, value_name = "VAR", value_parser = variable)]
    pub scrub: Vec<String>,
    /// Let the child write this file or directory; what it changes in a masked file is merged into yours at the end
    #[arg(long, value_name = "PATH")]
    pub writable: Vec<PathBuf>,
    /// What is left out.
    #[command(flatten)]
    pub search: SearchOptions,
    /// What the level `guarded` is told.
    #[command(flatten)]
    pub guard: GuardOptions,
    /// Let the child use this device
    #[arg(long, value_name = "PATH")]
    pub device: Vec<PathBuf>,
    /// The command and its arguments
    #[arg(required = true, trailing_var_arg = true, allow_hyphen_values = true, value_name = "CMD")]
    pub command: Vec<OsString>,
}

/// `--loopback`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Loopback {
    /// A TCP port.
    Port(u16),
    /// A Unix socket, as written.
    Socket(String),
}

/// What is searched for secrets.
#[derive(Debug, Clone, Args)]
pub struct SearchOptions {
    /// Do not search the project's files for known values
    #[arg(long)]
    pub no_sweep: bool,
}

/// What the user grants a guarded child.
#[derive(Debug, Clone, Args)]
pub struct GuardOptions {
    /// With `--isolation guarded`: start although the project shows secrets in files, which cannot be masked there
    #[arg(long)]
    pub allow_readable_dotenv: bool,
    /// With `--isolation guarded`: let the child make Unix sockets, and so reach whatever listens on one
    #[arg(long)]
    pub unix_sockets: bool,
}

/// `--hook`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Hook {
    /// Leads TLS connections of Node through the proxy
    Node,
    /// Has TLS contexts of Python trust the run's certificate
    Python,
}

/// `--egress`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum EgressChoice {
    /// Any host on ports 80 and 443
    Web,
    /// Only targets that are listed or have a secret bound to them
    Allowlist,
}

/// `--isolation`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Isolation {
    /// Namespaces, masks and system call filter: nothing leaves but through the broker
    Sealed,
    /// Landlock and system call filter, where namespaces cannot be had: credentials unreadable, TCP to the broker alone
    Guarded,
    /// Placeholders and broker only: the child can read what you can read
    None,
}

fn loopback(text: &str) -> Result<Loopback, String> {
    if text.contains('/') {
        return Ok(Loopback::Socket(text.to_owned()));
    }
    let port = text.parse().ok().filter(|port| *port != 0);
    port.map(Loopback::Port).ok_or_else(|| "write a port from 1 to 65535, or the path of a Unix socket".into())
}

fn variable(text: &str) -> Result<String, String> {
    if text.is_empty() || text.contains(['=', '\0']) {
        return Err("write the name of a variable, without `=`".into());
    }
    Ok(text.to_owned())
}
