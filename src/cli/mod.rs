//! The command line as the user writes it; opens nothing.
//!
//! Hosts and targets stay texts here; the rooms that use them parse them once and say what is wrong.

mod call;
mod log;
mod options;
mod policy;
mod prove;
mod secrets;
mod trust;
mod workspace;

use std::ffi::OsString;

use clap::error::ErrorKind;
use clap::{Args, CommandFactory, Parser, Subcommand};

pub use call::{CallOptions, PlaceOptions};
pub use log::{FilterOptions, LogOptions, LogVerb};
pub use options::{EgressChoice, GuardOptions, Hook, Isolation, Loopback, PlanOptions};
pub use policy::{PolicyOptions, PolicyVerb};
pub use prove::ProveOptions;
pub use secrets::{BindingOptions, ImportOptions, SecretsOptions, SecretsVerb, SetOptions, StoreChoice};
pub use trust::TrustOptions;
pub use workspace::{AllowlistVerb, InitOptions, LeaveChoice, WorkspaceOptions, WorkspaceVerb};

/// Run AI agents that can use credentials and can never read one.
#[derive(Debug, Parser)]
#[command(name = "agentsecrets", version, max_term_width = 100, arg_required_else_help = true)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub verb: Verb,
}

/// The verbs.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Start a command that can use your credentials and cannot read them
    Run(RunOptions),
    /// Show what `run` would hide, broker and allow, and start nothing
    Explain(ExplainOptions),
    /// Set up a project: make a workspace, and see which credentials lie around
    Init(InitOptions),
    /// Keep secrets, and say where each may go
    Secrets(SecretsOptions),
    /// Sets of secrets, and the hosts that requests may go to
    Workspace(WorkspaceOptions),
    /// Look at what the project's file grants, and trust it as it is
    Trust(TrustOptions),
    /// Make one request with secrets in it; they show neither on the command line nor in the answer
    Call(Box<CallOptions>),
    /// See the whole job at work: a local API, a secret, and a sealed child that can use it and cannot read it
    Demo,
    /// Say which level of isolation this machine can give, and what would mend it
    Doctor(DoctorOptions),
    /// Attack runs on this machine with planted canaries, and show what held
    Prove(ProveOptions),
    /// Read what runs did: every request with key name, endpoint, status and duration
    Log(LogOptions),
    /// Show what holds here and what is known without configuration, and try requests against it
    Policy(PolicyOptions),
}

/// `run`.
#[derive(Debug, Args)]
pub struct RunOptions {
    /// What is decided before anything starts.
    #[command(flatten)]
    pub plan: PlanOptions,
    /// Print neither the banner nor the summary
    #[arg(long, short)]
    pub quiet: bool,
}

/// `explain`.
#[derive(Debug, Args)]
pub struct ExplainOptions {
    /// What is decided before anything starts.
    #[command(flatten)]
    pub plan: PlanOptions,
    /// Print the plan as JSON
    #[arg(long)]
    pub json: bool,
}

/// `doctor`.
#[derive(Debug, Args)]
pub struct DoctorOptions {
    /// Print the facts as JSON
    #[arg(long)]
    pub json: bool,
    /// Print a profile for `AppArmor` that lets this program make user namespaces, and probe nothing
    #[arg(long, conflicts_with = "json")]
    pub apparmor: bool,
}

/// Parses `arguments`, the program's own name first. An error carries its own text and exit status.
pub fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<Cli, clap::Error> {
    let arguments: Vec<OsString> = arguments.into_iter().collect();
    let cli = Cli::try_parse_from(&arguments)?;
    match cli.command().and_then(|(verb, command)| Some((verb, unknown_flag(&arguments, command)?))) {
        Some((verb, flag)) => Err(unexpected(verb, &flag)),
        None => Ok(cli),
    }
}

impl Cli {
    /// The command that a verb starts, with the verb's name.
    fn command(&self) -> Option<(&'static str, &[OsString])> {
        match &self.verb {
            Verb::Run(options) => Some(("run", &options.plan.command)),
            Verb::Explain(options) => Some(("explain", &options.plan.command)),
            _ => None,
        }
    }
}

/// A flag that nobody knows where a command is to begin: whatever begins so is a command behind `--` alone.
fn unknown_flag(arguments: &[OsString], command: &[OsString]) -> Option<String> {
    let first = command.first().filter(|word| word.as_encoded_bytes().starts_with(b"-"))?;
    let before = arguments.len().checked_sub(command.len() + 1).and_then(|at| arguments.get(at));
    (before.is_none_or(|word| word != "--")).then(|| first.to_string_lossy().into_owned())
}

fn unexpected(verb: &str, flag: &str) -> clap::Error {
    let text = format!(
        "unexpected argument '{flag}' found\n\n  tip: to start a command of that name, use 'agentsecrets {verb} -- {flag}'"
    );
    let mut all = <Cli as CommandFactory>::command();
    all.build();
    match all.find_subcommand_mut(verb) {
        Some(command) => command.error(ErrorKind::UnknownArgument, text),
        None => all.error(ErrorKind::UnknownArgument, text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse_words(line: &str) -> Result<Cli, clap::Error> {
        parse(line.split(' ').map(OsString::from))
    }

    #[test]
    fn definitions_are_consistent() {
        <Cli as CommandFactory>::command().debug_assert();
    }

    #[test]
    fn the_command_keeps_its_own_flags() {
        for line in ["agentsecrets run -q -- curl --json -q x", "agentsecrets run -q curl --json -q x"] {
            let Verb::Run(options) = parse_words(line).unwrap().verb else { panic!("{line}") };
            assert!(options.quiet);
            assert_eq!(options.plan.command, ["curl", "--json", "-q", "x"]);
        }
    }

    #[test]
    fn a_command_may_begin_as_a_flag_does() {
        for line in ["agentsecrets run -- --odd x", "agentsecrets run -q -- -odd -- x"] {
            let Verb::Run(options) = parse_words(line).unwrap().verb else { panic!("{line}") };
            assert_eq!(options.plan.command.join(std::ffi::OsStr::new(" ")), line.split_once("-- ").unwrap().1);
        }
    }

    #[test]
    fn bad_values_are_refused_where_they_stand() {
        for line in [
            "agentsecrets run",
            "agentsecrets run --loopback 0 -- x",
            "agentsecrets run --loopback 70000 -- x",
            "agentsecrets run --loopback socket -- x",
            "agentsecrets run --isolation loose -- x",
            "agentsecrets run --keep A=B -- x",
            "agentsecrets run --bogus",
            "agentsecrets run --bogus -- x",
            "agentsecrets run -q --bogus x",
            "agentsecrets explain --bogus -- x",
            "agentsecrets frobnicate",
        ] {
            assert_eq!(parse_words(line).unwrap_err().exit_code(), 2, "{line}");
        }
    }
}
