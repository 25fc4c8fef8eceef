//! The one reader of ambient state: environment, directories, user, terminal. Read once, into a value.
//!
//! **Invariants.** No other room asks the process for these; what was read at the start holds for the run.

use std::ffi::{OsStr, OsString};
use std::io::IsTerminal;
use std::path::{Path, PathBuf};

use nix::unistd::{Uid, User, getegid, geteuid, getgid, getuid};

/// What the process found when it started. Its environment holds real values: it is read and never shown.
#[derive(Clone)]
pub struct World {
    /// The program's own arguments, its name first.
    pub arguments: Vec<OsString>,
    /// The environment in its order, duplicates kept, bytes untouched.
    pub environment: Vec<(OsString, OsString)>,
    /// The working directory, absolute, symbolic links resolved.
    pub current_directory: PathBuf,
    /// The user's home, absolute.
    pub home: PathBuf,
    /// Who runs this.
    pub user: Identity,
    /// Our own executable.
    pub executable: PathBuf,
    /// Where the user's configuration is: `$XDG_CONFIG_HOME/agentsecrets`.
    pub config_directory: PathBuf,
    /// Where runs leave their logs: `$XDG_STATE_HOME/agentsecrets`.
    pub state_directory: PathBuf,
    /// What standard input and error are.
    pub terminal: Terminal,
}

/// User and group of the process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Identity {
    /// The real user id; equal to the effective one.
    pub uid: u32,
    /// The real group id; equal to the effective one.
    pub gid: u32,
}

/// What is a terminal, and whether colour is welcome there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Terminal {
    /// Standard input.
    pub input: bool,
    /// Standard error.
    pub error: bool,
    /// `NO_COLOR` is set and not empty, or `TERM=dumb`.
    pub no_color: bool,
}

/// Why the surroundings do not allow a run.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WorldError {
    /// The working directory cannot be read; it may have been removed.
    #[error("cannot tell the working directory")]
    CurrentDirectory(#[source] std::io::Error),
    /// Neither `HOME` nor the user database names an absolute home.
    #[error("cannot tell the home directory: `HOME` is not an absolute path and the user database has no entry")]
    Home,
    /// `/proc/self/exe` cannot be read.
    #[error("cannot find our own executable")]
    Executable(#[source] std::io::Error),
    /// Started set-user-id or set-group-id.
    #[error("agentsecrets must not be installed set-user-id or set-group-id")]
    SetId,
}

impl World {
    /// Reads everything.
    #[expect(clippy::disallowed_methods, reason = "this is the one reader of ambient state")]
    pub fn read() -> Result<Self, WorldError> {
        if getuid() != geteuid() || getgid() != getegid() {
            return Err(WorldError::SetId);
        }
        let environment: Vec<_> = std::env::vars_os().collect();
        let user = Identity { uid: getuid().as_raw(), gid: getgid().as_raw() };
        let home = home(&environment, user.uid).ok_or(WorldError::Home)?;
        Ok(Self {
            arguments: std::env::args_os().collect(),
            current_directory: std::env::current_dir().map_err(WorldError::CurrentDirectory)?,
            executable: std::fs::read_link("/proc/self/exe").map_err(WorldError::Executable)?,
            config_directory: base_directory(&environment, "XDG_CONFIG_HOME", &home.join(".config")),
            state_directory: base_directory(&environment, "XDG_STATE_HOME", &home.join(".local/state")),
            terminal: terminal(&environment),
            environment,
            home,
            user,
        })
    }

    /// The first value of a variable, as `getenv` finds it.
    pub fn variable(&self, name: &str) -> Option<&OsStr> {
        first(&self.environment, name)
    }

    /// The directory that the child works on: the outermost one upwards from the working directory that holds
    /// `agentsecrets.toml` or `.git`, looked for below the home directory only; else the working directory.
    ///
    /// The outermost, because a child can make a `.git` in its own project and not above it: a nearer one would let it
    /// shrink its next run's project, and with it what is searched for secrets.
    pub fn project(&self) -> PathBuf {
        let is_marked = |directory: &&Path| {
            ["agentsecrets.toml", ".git"].iter().any(|mark| directory.join(mark).symlink_metadata().is_ok())
        };
        let above = self.current_directory.ancestors().take_while(|directory| !self.home.starts_with(directory));
        above.filter(is_marked).last().map_or_else(|| self.current_directory.clone(), Path::to_path_buf)
    }
}

fn first<'a>(environment: &'a [(OsString, OsString)], name: &str) -> Option<&'a OsStr> {
    environment.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_os_str())
}

/// `HOME` where it is absolute, as shells take it; else the user database.
fn home(environment: &[(OsString, OsString)], uid: u32) -> Option<PathBuf> {
    let named = first(environment, "HOME").map(PathBuf::from).filter(|home| home.is_absolute());
    let home = named.or_else(|| User::from_uid(Uid::from_raw(uid)).ok().flatten().map(|user| user.dir))?;
    Some(home.canonicalize().unwrap_or(home))
}

/// XDG base directory specification: a relative path is invalid and ignored.
fn base_directory(environment: &[(OsString, OsString)], variable: &str, default: &Path) -> PathBuf {
    let named = first(environment, variable).map(PathBuf::from).filter(|directory| directory.is_absolute());
    named.unwrap_or_else(|| default.to_path_buf()).join("agentsecrets")
}

fn terminal(environment: &[(OsString, OsString)]) -> Terminal {
    let no_color = first(environment, "NO_COLOR").is_some_and(|value| !value.is_empty());
    let dumb = first(environment, "TERM").is_some_and(|term| term == "dumb");
    let input = std::io::stdin().is_terminal();
    Terminal { input, error: std::io::stderr().is_terminal(), no_color: no_color || dumb }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn variables(pairs: &[(&str, &str)]) -> Vec<(OsString, OsString)> {
        pairs.iter().map(|(name, value)| (name.into(), value.into())).collect()
    }

    #[test]
    fn base_directories_follow_the_specification() {
        let default = Path::new("/home/u/.config");
        let at = |value| base_directory(&variables(&[("XDG_CONFIG_HOME", value)]), "XDG_CONFIG_HOME", default);
        assert_eq!(at("/etc/x"), Path::new("/etc/x/agentsecrets"));
        assert_eq!(at("relative"), Path::new("/home/u/.config/agentsecrets"));
        assert_eq!(at(""), Path::new("/home/u/.config/agentsecrets"));
    }

    #[test]
    fn the_first_of_two_variables_counts() {
        let environment = variables(&[("HOME", "/tmp"), ("HOME", "/nonexistent")]);
        assert_eq!(home(&environment, 0).unwrap(), Path::new("/tmp"));
    }
}
