//! `secrets`: keeping values, and saying where each may go.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

/// `secrets`.
#[derive(Debug, Args)]
pub struct SecretsOptions {
    /// The workspace; the active one where it is left out
    #[arg(long, global = true, value_name = "NAME")]
    pub workspace: Option<String>,
    /// What to do.
    #[command(subcommand)]
    pub verb: SecretsVerb,
}

/// The verbs of `secrets`.
#[derive(Debug, Subcommand)]
pub enum SecretsVerb {
    /// Keep a value: NAME asks for it or reads standard input, NAME=VALUE takes it from the command line
    Set(SetOptions),
    /// List the secrets: source, service, hosts, when set and last used; never a value
    List {
        /// Print one JSON object a line
        #[arg(long)]
        json: bool,
    },
    /// Forget secrets with their values
    Remove {
        /// Their names
        #[arg(required = true, value_name = "NAME")]
        names: Vec<String>,
    },
    /// Keep the secrets of a dotenv file, which stays as it is
    Import(ImportOptions),
    /// Say where a secret may go and how it is sent
    Bind {
        /// Its name
        #[arg(value_name = "NAME")]
        name: String,
        /// Where it may go.
        #[command(flatten)]
        binding: BindingOptions,
    },
}

/// `secrets set`.
#[derive(Debug, Args)]
pub struct SetOptions {
    /// The secrets, as NAME or NAME=VALUE; a value on the command line stays in the shell's history
    #[arg(required = true, value_name = "NAME[=VALUE]")]
    pub secrets: Vec<OsString>,
    /// Take the value from the environment: from the variable of the same name, or from VAR
    #[arg(long, value_name = "VAR", num_args = 0..=1, require_equals = true)]
    pub from_env: Option<Option<String>>,
    /// Where the value is kept
    #[arg(long, value_enum, value_name = "STORE")]
    pub store: Option<StoreChoice>,
    /// Where it may go.
    #[command(flatten)]
    pub binding: BindingOptions,
}

/// `secrets import`.
#[derive(Debug, Args)]
pub struct ImportOptions {
    /// The file
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// The keys to keep; without any, those that look secret
    #[arg(value_name = "NAME")]
    pub names: Vec<String>,
    /// Where the values are kept
    #[arg(long, value_enum, value_name = "STORE")]
    pub store: Option<StoreChoice>,
}

/// Where a secret may go.
#[derive(Debug, Default, Clone, Args)]
pub struct BindingOptions {
    /// A host that it may be sent to: host, *.domain, or either with :port
    #[arg(long, value_name = "HOST[:PORT]")]
    pub host: Vec<String>,
    /// The service of the catalogue that it belongs to
    #[arg(long, value_name = "SERVICE")]
    pub service: Option<String>,
    /// How it is sent: bearer, basic, header=NAME, query=NAME, cookie=NAME, json=/POINTER, or form=NAME
    #[arg(long, value_name = "HOW")]
    pub inject: Option<String>,
    /// What it may be used for, as "GET /v1/**"
    #[arg(long, value_name = "RULE")]
    pub rule: Vec<String>,
}

/// `--store`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum StoreChoice {
    /// The keychain of this system
    Keychain,
    /// The encrypted file
    File,
}
