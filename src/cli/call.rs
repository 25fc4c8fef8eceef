//! `call` as the user writes it.

use std::path::PathBuf;

use clap::Args;

/// `call`.
#[derive(Debug, Args)]
pub struct CallOptions {
    /// Where to, as `https://host/path`
    #[arg(long, value_name = "URL")]
    pub url: String,
    /// The method; GET, or POST where there is a body
    #[arg(long, short = 'X', value_name = "METHOD")]
    pub method: Option<String>,
    /// Send this text; repeated ones are joined by `&`, as curl does
    #[arg(long, short, value_name = "TEXT", conflicts_with_all = ["data_file", "json"])]
    pub data: Vec<String>,
    /// Send this file as it is; `-` is standard input
    #[arg(long, value_name = "FILE", conflicts_with = "json")]
    pub data_file: Option<PathBuf>,
    /// Send this text as JSON, and ask for JSON
    #[arg(long, value_name = "JSON")]
    pub json: Option<String>,
    /// Add a header
    #[arg(long, short = 'H', value_name = "NAME: VALUE")]
    pub header: Vec<String>,
    /// What is put in from the secrets.
    #[command(flatten)]
    pub place: PlaceOptions,
    /// Write the answer's body here
    #[arg(long, short, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// Show the answer's head, too
    #[arg(long, short)]
    pub include: bool,
    /// End with status 22 where the server answers 400 or above, and show nothing of it
    #[arg(long, short)]
    pub fail: bool,
    /// Follow redirects; a secret goes along only to hosts that it is bound to
    #[arg(long, short = 'L')]
    pub location: bool,
    /// Wait at most so long for the whole answer
    #[arg(long, short = 'm', value_name = "SECONDS", value_parser = seconds)]
    pub timeout: Option<f64>,
    /// Try again so often where that may help: no connection, 408, 429, 500, 502, 503, 504
    #[arg(long, value_name = "TIMES", default_value_t = 0, value_parser = clap::value_parser!(u32).range(0..=20))]
    pub retry: u32,
    /// Take secrets from this workspace; from the active one where it is left out
    #[arg(long, value_name = "NAME")]
    pub workspace: Option<String>,
    /// Trust the project's file for this once if it has this fingerprint (agentsecrets trust --hash); one of several
    #[arg(long, value_name = "sha256:HEX")]
    pub trust: Vec<String>,
    /// Send requests for one target to another address, as curl does; for tests and private deployments
    #[arg(long, value_name = "HOST1:PORT1:HOST2:PORT2")]
    pub connect_to: Vec<String>,
    /// Trust the certificates in this PEM file, too
    #[arg(long, value_name = "FILE")]
    pub upstream_ca: Vec<PathBuf>,
}

/// Where values go. KEY is the name of a secret.
#[derive(Debug, Args)]
#[command(next_help_heading = "Secrets")]
pub struct PlaceOptions {
    /// Authorization: Bearer VALUE
    #[arg(long, value_name = "KEY", conflicts_with = "basic")]
    pub bearer: Option<String>,
    /// Authorization: Basic; the value is `user:password`, or a user alone, or the password of USER
    #[arg(long, value_name = "[USER:]KEY")]
    pub basic: Option<String>,
    /// A header that is the value
    #[arg(long, value_name = "NAME=KEY")]
    pub inject_header: Vec<String>,
    /// A parameter of the query
    #[arg(long, value_name = "NAME=KEY")]
    pub query: Vec<String>,
    /// A cookie
    #[arg(long, value_name = "NAME=KEY")]
    pub cookie: Vec<String>,
    /// A string in the JSON body, by its pointer; every other byte stays as it is
    #[arg(long, value_name = "/POINTER=KEY", conflicts_with = "form_field")]
    pub json_field: Vec<String>,
    /// A field of the form that is the body
    #[arg(long, value_name = "NAME=KEY")]
    pub form_field: Vec<String>,
}

fn seconds(text: &str) -> Result<f64, String> {
    let seconds = text.parse::<f64>().ok().filter(|seconds| *seconds > 0.0 && *seconds <= 1e9);
    seconds.ok_or_else(|| "write a number of seconds above 0".into())
}
