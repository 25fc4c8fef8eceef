//! The user's own program that opens a link.
//!
//! **Invariants.** It is found by the parent's environment alone, never in a place that a child can write, and started
//! without a shell, from `/`, with the variables that a desktop program needs and no others. A link begins with `http`, so
//! that it is never an option of the program.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use crate::policy::Link;
use crate::supervise::spawn;
use crate::world::World;

/// Looked for in this order where BROWSER names nothing that is there.
#[cfg(target_os = "macos")]
const OPENERS: &[&str] = &["open"];
#[cfg(not(target_os = "macos"))]
const OPENERS: &[&str] = &["xdg-open", "wslview", "sensible-browser", "x-www-browser"];

/// What a desktop program needs of the environment; a name that ends with `*` stands for all that begin so.
const KEPT: &[&str] = &[
    "HOME",
    "USER",
    "LOGNAME",
    "SHELL",
    "LANG",
    "LANGUAGE",
    "LC_*",
    "TZ",
    "TMPDIR",
    "DISPLAY",
    "WAYLAND_DISPLAY",
    "XAUTHORITY",
    "XDG_*",
    "DBUS_SESSION_BUS_ADDRESS",
    "DESKTOP_SESSION",
    "GNOME_DESKTOP_SESSION_ID",
    "KDE_*",
    "MOZ_*",
    "GTK_*",
    "QT_*",
    "WSL_*",
    "WSLENV",
    "BROWSER",
];

/// A program with its arguments; `%s` stands for the link.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Opener {
    words: Vec<OsString>,
    environment: Vec<(OsString, OsString)>,
}

impl Opener {
    /// Finds it; the error says why links are only shown. `writable` are the places that a child can write.
    pub(super) fn find(world: &World, writable: &[PathBuf], is_ci: bool) -> Result<Self, &'static str> {
        if is_ci {
            return Err("this is a CI job");
        }
        let is_set = |name: &&str| world.variable(name).is_some_and(|value| !value.is_empty());
        if cfg!(not(target_os = "macos")) && !["DISPLAY", "WAYLAND_DISPLAY"].iter().any(is_set) {
            return Err("there is no display");
        }
        let path = safe_path(world.variable("PATH").unwrap_or_default(), writable);
        let browsers = world.variable("BROWSER").unwrap_or_default().to_string_lossy().into_owned();
        let mut candidates = browsers.split(':').chain(OPENERS.iter().copied());
        let words = candidates.find_map(|line| command(line, &path, writable));
        let words = words.ok_or("neither BROWSER nor xdg-open is there")?;
        let is_kept = |name: &OsStr| {
            let name = name.to_string_lossy();
            KEPT.iter().any(|kept| kept.strip_suffix('*').map_or(name == *kept, |start| name.starts_with(start)))
        };
        let mut environment: Vec<_> = world.environment.iter().filter(|(name, _)| is_kept(name)).cloned().collect();
        if let Ok(path) = std::env::join_paths(&path) {
            environment.push(("PATH".into(), path));
        }
        Ok(Self { words, environment })
    }

    /// Starts it and does not wait for it.
    pub(super) fn open(&self, link: &Link) -> io::Result<()> {
        spawn::opener(&with_link(&self.words, &link.to_string()), &self.environment)
    }
}

/// The absolute directories of PATH in which no child can put a program.
fn safe_path(path: &OsStr, writable: &[PathBuf]) -> Vec<PathBuf> {
    std::env::split_paths(path).filter(|directory| directory.is_absolute() && is_safe(directory, writable)).collect()
}

/// Whether neither the path nor what it leads to lies where a child can write.
fn is_safe(path: &Path, writable: &[PathBuf]) -> bool {
    let real = path.canonicalize().unwrap_or_else(|_| path.to_owned());
    !writable.iter().any(|place| path.starts_with(place) || real.starts_with(place))
}

/// A line of BROWSER as words, its program found; `None` where there is none that may be started.
fn command(line: &str, path: &[PathBuf], writable: &[PathBuf]) -> Option<Vec<OsString>> {
    let mut words = line.split_whitespace();
    let name = Path::new(words.next()?);
    let is_program =
        |path: &Path| path.metadata().is_ok_and(|facts| facts.is_file() && facts.permissions().mode() & 0o111 != 0);
    let program = if name.as_os_str().as_bytes().contains(&b'/') {
        Some(name.to_owned()).filter(|name| name.is_absolute())
    } else {
        path.iter().map(|directory| directory.join(name)).find(|path| is_program(path))
    };
    let program = program.filter(|program| is_program(program) && is_safe(program, writable))?;
    Some(std::iter::once(program.into()).chain(words.map(OsString::from)).collect())
}

/// The words with the link for `%s`, or behind the last where none says so.
fn with_link(words: &[OsString], link: &str) -> Vec<OsString> {
    let place = |word: &OsString| word.to_str().is_some_and(|word| word.contains("%s"));
    let has_place = words.iter().skip(1).any(place);
    let filled = words.iter().enumerate().map(|(index, word)| match word.to_str() {
        Some(word) if index > 0 => word.replace("%s", link).into(),
        _ => word.clone(),
    });
    filled.chain((!has_place).then(|| link.into())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn program(path: &Path) {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, "#!/bin/sh\n").unwrap();
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
    }

    #[test]
    fn nothing_is_started_from_where_a_child_writes() {
        let directory = tempfile::tempdir().unwrap();
        let base = directory.path().canonicalize().unwrap();
        let (safe, project) = (base.join("bin/firefox"), base.join("project/bin/firefox"));
        program(&safe);
        program(&project);
        std::os::unix::fs::symlink(&project, base.join("bin/linked")).unwrap();
        let writable = [base.join("project")];
        let text = format!("{}:relative:{}", base.join("project/bin").display(), base.join("bin").display());
        let path = safe_path(OsStr::new(&text), &writable);
        assert_eq!(path, [base.join("bin")]);
        let found = |line: &str| command(line, &path, &writable);
        assert_eq!(found("firefox --new-tab").unwrap(), [safe.as_os_str(), OsStr::new("--new-tab")]);
        for line in ["linked", "./bin/firefox", project.to_str().unwrap(), "none", "", "/etc/passwd", "bin/firefox"] {
            assert_eq!(found(line), None, "{line}");
        }
    }

    #[test]
    fn the_link_is_one_argument() {
        let filled = |line: &str| {
            let words: Vec<OsString> = line.split(' ').map(OsString::from).collect();
            with_link(&words, "https://a.example/?x=%s&y")
                .into_iter()
                .map(|word| word.into_string().unwrap())
                .collect::<Vec<_>>()
        };
        assert_eq!(filled("w"), ["w", "https://a.example/?x=%s&y"]);
        assert_eq!(filled("w --url=%s -q"), ["w", "--url=https://a.example/?x=%s&y", "-q"]);
    }
}
