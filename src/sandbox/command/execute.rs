//! Executing the command, as execvp(3) does, by the process that waited for it.

use std::ffi::{CString, OsStr, OsString};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::UnixStream;

use nix::errno::Errno;
use nix::sys::signal::SigSet;
use nix::unistd::execve;

use super::super::channel;
use super::super::message::Order;
use crate::sys::process;

/// Waits on `link` for the command line and becomes the command, with its signals as the program was started with them.
/// Returns only when there is nothing to execute any more; the kernel has said why, and the keeper is told.
pub(in crate::sandbox) fn wait_and_execute(link: &UnixStream, ignored: u64) -> io::Result<()> {
    let Some((Order::Execute { arguments, environment, .. }, _)) = channel::receive(link)? else { return Ok(()) };
    process::reset_dispositions(ignored);
    SigSet::empty().thread_set_mask()?;
    let errno = execute(&arguments, &environment) as i32;
    channel::send(link, &errno, channel::NONE)
}

/// Where programs are looked for without a PATH (`confstr(_CS_PATH)`).
const DEFAULT_PATH: &[u8] = b"/bin:/usr/bin";

/// Replaces this process, as execvp(3) does but with the PATH of the new environment. Returns why it could not.
fn execute(arguments: &[OsString], environment: &[(OsString, OsString)]) -> Errno {
    let Some(name) = arguments.first() else { return Errno::ENOENT };
    let strings = || -> Result<_, std::ffi::NulError> {
        let arguments = arguments.iter().map(|argument| CString::new(argument.as_bytes()));
        let entries =
            environment.iter().map(|(name, value)| CString::new([name.as_bytes(), b"=", value.as_bytes()].concat()));
        Ok((arguments.collect::<Result<Vec<_>, _>>()?, entries.collect::<Result<Vec<_>, _>>()?))
    };
    let Ok((arguments, entries)) = strings() else { return Errno::EINVAL };
    let path = environment.iter().find(|(name, _)| name == "PATH").map_or(DEFAULT_PATH, |(_, path)| path.as_bytes());
    let mut refused = Errno::ENOENT;
    for candidate in candidates(name, path) {
        match execute_at(&candidate, &arguments, &entries) {
            Errno::ENOENT | Errno::ENOTDIR | Errno::ENODEV | Errno::ESTALE | Errno::ETIMEDOUT => {}
            // Another directory may have one that can be executed.
            Errno::EACCES => refused = Errno::EACCES,
            other => return other,
        }
    }
    refused
}

/// The paths to try for `name`, in order.
fn candidates(name: &OsStr, path: &[u8]) -> Vec<Vec<u8>> {
    let name = name.as_bytes();
    if name.is_empty() {
        return Vec::new();
    }
    if name.contains(&b'/') {
        return vec![name.to_vec()];
    }
    let directories = path.split(|&byte| byte == b':');
    directories
        .map(|directory| if directory.is_empty() { name.to_vec() } else { [directory, b"/", name].concat() })
        .collect()
}

fn execute_at(path: &[u8], arguments: &[CString], environment: &[CString]) -> Errno {
    let Ok(program) = CString::new(path) else { return Errno::EINVAL };
    let Err(error) = execve(&program, arguments, environment);
    if error != Errno::ENOEXEC {
        return error;
    }
    // A script without an interpreter line belongs to the shell (POSIX, execvp).
    let shell = c"/bin/sh".to_owned();
    let script = [shell.clone(), program].into_iter().chain(arguments.iter().skip(1).cloned()).collect::<Vec<_>>();
    let Err(error) = execve(&shell, &script, environment);
    error
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::ffi::OsStringExt;

    #[test]
    fn looks_where_execvp_looks() {
        let tried = |name: &str, path: &str| {
            let paths = candidates(OsStr::new(name), path.as_bytes());
            paths.into_iter().map(|path| OsString::from_vec(path).into_string().unwrap()).collect::<Vec<_>>()
        };
        assert_eq!(tried("ls", "/a:/b"), ["/a/ls", "/b/ls"]);
        assert_eq!(tried("ls", "/a::/b/"), ["/a/ls", "ls", "/b//ls"]);
        assert_eq!(tried("./ls", "/a"), ["./ls"]);
        assert_eq!(tried("", "/a"), Vec::<String>::new());
    }

    #[test]
    fn says_why_nothing_was_executed() {
        let run = |name: &str, path: &str| execute(&[name.into()], &[("PATH".into(), path.into())]);
        assert_eq!(run("no-such-command", "/usr/bin:/bin"), Errno::ENOENT);
        assert_eq!(run("/etc", ""), Errno::EACCES);
        assert_eq!(run("a\0b", "/bin"), Errno::EINVAL);
        assert_eq!(execute(&[], &[]), Errno::ENOENT);
    }
}
