//! What the suite adds to the list of attacks that ships in the program: as which of its users, and by which shell line.

use agentsecrets::attack::{Start, TRIALS, Trial, Who};
use nix::unistd::geteuid;

use crate::support::place::{self, User};
use crate::support::requirement;

/// The trial of that attack.
pub(crate) fn of(attack: &str) -> &'static Trial {
    TRIALS.iter().find(|trial| trial.attack == attack).unwrap_or_else(|| panic!("no trial of `{attack}`"))
}

/// Whether the kernel has what the attack needs.
pub(crate) fn is_possible(trial: &Trial) -> bool {
    let missing = trial.needs.and_then(|need| Some((need.name(), need.missing(place::root())?)));
    missing.is_none_or(|(name, reason)| requirement::met(name, Some(reason)))
}

/// Whether this user may try it.
pub(crate) fn is_for(trial: &Trial, user: User) -> bool {
    let is_root = user.effective() == 0;
    match trial.who {
        Who::Both => true,
        Who::Root => is_root,
        Who::Ordinary => !is_root || !geteuid().is_root(),
    }
}

/// The shell line that starts the program, `{}`, with its arguments; empty where it is started as it is.
pub(crate) fn wrapper(start: Start) -> String {
    match start {
        Start::Plain
        | Start::Allowlist
        | Start::Terminal
        | Start::OwnCopy
        | Start::Kept
        | Start::Helper
        | Start::WithHost => String::new(),
        Start::StdinDirectory => "exec {} \"$@\" <.".into(),
        Start::StdinHome(path) => format!("exec {{}} \"$@\" <\"$HOME/{path}\""),
        Start::StdinDotenv => "exec {} \"$@\" <.env".into(),
        Start::StdinNull => "exec {} \"$@\" </dev/null".into(),
        Start::StdinDatagrams => "exec bash -c 'exec \"$0\" \"$@\" </dev/udp/127.0.0.1/9' {} \"$@\"".into(),
        Start::InheritedDirectory => "exec 7<.; exec {} \"$@\"".into(),
        Start::InheritedDotenv => "exec 7<.env; exec {} \"$@\"".into(),
    }
}
