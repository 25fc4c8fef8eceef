//! One thin file a verb: takes the parsed command line, calls the rooms in order, says what to print.

mod call;
mod demo;
mod doctor;
mod explain;
mod init;
mod log;
mod open;
mod output;
mod own;
mod policy;
mod prove;
mod run;
mod secrets;
mod trust;
mod workspace;

use std::ffi::{OsStr, OsString};
use std::io;
use std::process::ExitCode;

use crate::attack::ATTACK_VERB;
use crate::cli::{self, FilterOptions, LogVerb, Verb};
use crate::exit::Exit;
use crate::report::{self, Terminal};
use crate::supervise::FOLDER_VERB;
use crate::supervise::spawn::{GUARD_VERB, KEEPER_VERB, STAGE_VERB};
use crate::world::{World, WorldError};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

/// Why a verb failed. Each room's error says itself what to type.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CommandError {
    /// The surroundings.
    #[error(transparent)]
    World(#[from] WorldError),
    /// A run.
    #[error(transparent)]
    Run(#[from] crate::run::RunError),
    /// A call.
    #[error(transparent)]
    Call(#[from] crate::run::CallError),
    /// The demo.
    #[error(transparent)]
    Demo(#[from] demo::DemoError),
    /// The proof.
    #[error(transparent)]
    Prove(#[from] crate::prove::ProveError),
    /// Reading logs.
    #[error(transparent)]
    Log(#[from] log::LogError),
    /// A policy file that ships in the binary.
    #[error(transparent)]
    Builtin(crate::policy::BuiltinError),
    /// Words of the command line that cannot be meant; the text says what is wrong with them.
    #[error("{0}")]
    Words(String),
    /// Standard input or the terminal cannot be read.
    #[error("cannot read the value")]
    Input(#[source] io::Error),
    /// Standard output cannot be written.
    #[error("cannot write to standard output")]
    Output(#[source] io::Error),
    /// What was asked for cannot be written as JSON.
    #[error("cannot write JSON")]
    Json(#[source] serde_json::Error),
    /// A flag that cannot be read.
    #[error("{flag}: {source}")]
    Flag {
        /// The flag.
        flag: &'static str,
        /// What is wrong with its value.
        source: crate::proxy::ProxyError,
    },
    /// `--publish` that cannot be read.
    #[error("--publish: {source}")]
    Publish {
        /// What is wrong with its value.
        source: crate::supervise::ports::PublishError,
    },
    /// A process could not be started.
    #[error(transparent)]
    Spawn(#[from] crate::supervise::SpawnError),
    /// The seal could not be probed.
    #[error(transparent)]
    Sandbox(#[from] crate::sandbox::SandboxError),
    /// Our own path is no text, which a profile cannot name.
    #[error("the path of this program is not UTF-8: move it to one that is")]
    ExecutableName,
    /// The parent could not protect its own memory.
    #[error("cannot protect this process from being read by others")]
    Harden(#[source] io::Error),
}

/// The whole program: the child side's hidden verb first, then the command line.
pub fn main() -> ExitCode {
    let arguments: Vec<OsString> = std::env::args_os().collect();
    if arguments.get(1).is_some_and(|verb| verb == STAGE_VERB) {
        return crate::sandbox::stage_main();
    }
    if open::is_called(arguments.first()) {
        return open::open(&arguments);
    }
    if arguments.get(1).is_some_and(|verb| verb == GUARD_VERB) {
        return crate::sandbox::guard_main();
    }
    if arguments.get(1).is_some_and(|verb| verb == ATTACK_VERB) {
        return crate::attack::main(&arguments);
    }
    if arguments.get(1).is_some_and(|verb| verb == crate::prove::KEEPER_VERB) {
        return crate::prove::keep(&arguments);
    }
    if arguments.get(1).is_some_and(|verb| verb == FOLDER_VERB) {
        return crate::supervise::keep_folder(&arguments);
    }
    if arguments.get(1).is_some_and(|verb| verb == KEEPER_VERB) {
        return crate::supervise::keep_terminal();
    }
    let is_run = arguments.get(1).is_some_and(|verb| verb == "run");
    let exit = World::read().map_err(CommandError::from).and_then(|world| {
        let terminal = Terminal::new(world.terminal.error, world.terminal.no_color, false);
        perform(arguments, &world, terminal).or_else(|error| {
            terminal.say(&report::error(&error, error.hint().as_deref()));
            Ok(error.exit())
        })
    });
    let exit = exit.unwrap_or_else(|error: CommandError| {
        Terminal::new(false, true, false).say(&report::error(&error, None));
        error.exit()
    });
    let exit = if is_run { exit.of_run() } else { exit };
    if let Some((number, group)) = exit.death() {
        // Where it ends nobody, the status says it.
        let _ = crate::supervise::die(number.into(), group);
    }
    ExitCode::from(exit.code())
}

fn perform(arguments: Vec<OsString>, world: &World, terminal: Terminal) -> Result<Exit, CommandError> {
    crate::sys::harden().map_err(CommandError::Harden)?;
    start_diagnostics(world);
    if arguments.get(1).is_some_and(|verb| verb == demo::AGENT_VERB) {
        return Ok(demo::agent(world)?);
    }
    let cli = match cli::parse(arguments) {
        Ok(cli) => cli,
        Err(help) => return usage(&help, terminal),
    };
    match cli.verb {
        Verb::Run(options) => run::run(world, &options),
        Verb::Explain(options) => explain::explain(world, &options),
        Verb::Init(options) => init::init(world, &options, terminal),
        Verb::Secrets(options) => secrets::secrets(world, &options, terminal),
        Verb::Workspace(options) => workspace::workspace(world, &options, terminal),
        Verb::Trust(options) => trust::trust(world, &options, terminal),
        Verb::Call(options) => call::call(world, &options, terminal),
        Verb::Demo => Ok(demo::demo(world)?),
        Verb::Doctor(options) => doctor::doctor(world, &options),
        Verb::Prove(options) => prove::prove(world, &options),
        Verb::Log(options) => read_log(world, options.verb, terminal),
        Verb::Policy(options) => policy::policy(world, &options.verb),
    }
}

fn read_log(world: &World, verb: LogVerb, terminal: Terminal) -> Result<Exit, CommandError> {
    let filter = |options: FilterOptions, one: Option<String>| {
        log::Filter::new(FilterOptions { run: one.or(options.run), ..options }, Timestamp::now(), &TimeZone::system())
            .map_err(CommandError::Words)
    };
    let request = match verb {
        LogVerb::List { filter: options, json } => log::Request::List { filter: filter(options, None)?, json },
        LogVerb::Show { one, filter: options, json } => log::Request::Show { filter: filter(options, one)?, json },
        LogVerb::Follow { one, filter: options, json } => log::Request::Follow { filter: filter(options, one)?, json },
        LogVerb::Stats { filter: options, json } => log::Request::Stats { filter: filter(options, None)?, json },
        LogVerb::Verify { run, json } => log::Request::Verify { run, json },
        LogVerb::Restore { run, path, force, dry_run, yes, json } => {
            let how = match (dry_run, yes) {
                (true, _) => log::How::Tell,
                (false, true) => log::How::Do,
                (false, false) => log::How::Ask,
            };
            let order = log::RestoreOrder { run, path, force, how, json };
            return Ok(log::restore(world, &order, terminal, &mut io::stdout().lock())?);
        }
    };
    Ok(log::log(&request, &world.state_directory.join("runs"), &mut io::stdout().lock())?)
}

/// Help and version go to standard output with status 0, mistakes to standard error with the status of usage.
fn usage(help: &clap::Error, terminal: Terminal) -> Result<Exit, CommandError> {
    let text = help.render().to_string();
    if help.use_stderr() {
        terminal.say(text.trim_end());
        return Ok(Exit::Usage);
    }
    output::print(&text).map_err(CommandError::Output)?;
    Ok(Exit::Success)
}

/// `AGENTSECRETS_LOG=debug` writes diagnostics to standard error; they hold names and endpoints, never values. Those of
/// libraries stay off: what they trace are the bytes on the wire.
fn start_diagnostics(world: &World) {
    let level = world.variable("AGENTSECRETS_LOG").and_then(OsStr::to_str).and_then(|level| level.parse().ok());
    if let Some(level) = level {
        let level: tracing::Level = level;
        let lines = tracing_subscriber::fmt::layer().with_writer(io::stderr).with_ansi(false);
        let own = Targets::new().with_target(env!("CARGO_PKG_NAME"), level);
        let subscriber = tracing_subscriber::registry().with(lines).with(own);
        // A second subscriber in one process is a mistake of ours that harms nothing.
        let _ = subscriber.try_init();
    }
}

impl CommandError {
    fn exit(&self) -> Exit {
        match self {
            Self::Run(error) => error.exit(),
            Self::Flag { .. } | Self::Words(_) | Self::Publish { .. } => Exit::Usage,
            _ => Exit::Failure,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Run(error) | Self::Demo(demo::DemoError::Run(error)) => error.hint(),
            Self::Call(error) => error.hint(),
            Self::Log(error) => error.hint(),
            Self::Publish { source } => Some(source.hint()),
            _ => None,
        }
    }
}
