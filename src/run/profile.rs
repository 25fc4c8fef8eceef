//! From the plan to what the seal is asked for.

use std::ffi::{OsStr, OsString};
use std::os::fd::RawFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};

use super::Order;
use super::browser::{BROWSER_NAMES, BROWSER_PROGRAM, BROWSER_SOCKET, PROGRAMS};
use super::trust::Certificates;
use crate::plan::{MaskContent, Planned};
use crate::sandbox::{Bytes, Mask, Place, Profile, Program};
use crate::scrub::Wiring;
use crate::supervise::ports::Wanted;
use crate::world::World;

/// Where the run's files stand inside.
const BUNDLE: &str = "/run/agentsecrets/ca-bundle.pem";
const CERTIFICATE: &str = "/run/agentsecrets/ca.pem";
const WGETRC: &str = "/run/agentsecrets/wgetrc";

/// Trees for passing files around, which the seal replaces by its own; what the command line names below them is bound
/// through. `/run` is not among them: what lies there is the host's own business.
const REPLACED: [&str; 3] = ["/tmp", "/var/tmp", "/dev/shm"];

/// What the child is told of proxy and certificates.
pub(super) fn wiring(proxy_url: String, has_browser: bool) -> Wiring {
    let programs = has_browser.then(|| PathBuf::from(PROGRAMS));
    Wiring {
        proxy_url: Some(proxy_url),
        bundle: Some(BUNDLE.into()),
        certificate: Some(CERTIFICATE.into()),
        wgetrc: Some(WGETRC.into()),
        browser: programs.as_ref().map(|programs| programs.join(BROWSER_PROGRAM)),
        programs,
    }
}

/// Everything the stage needs to know.
pub(super) fn profile(world: &World, order: &Order, planned: &Planned) -> Profile {
    let plan = &planned.plan;
    let path = world.variable("PATH").unwrap_or_default();
    let mut protected: Vec<PathBuf> = std::env::split_paths(path).filter(|path| path.is_absolute()).collect();
    protected.push(world.executable.clone());
    Profile {
        project: plan.project.clone(),
        project_is_bound: plan.project_is_bound,
        working_directory: plan.working_directory.clone(),
        home: world.home.clone(),
        runtime_directory: world.variable("XDG_RUNTIME_DIR").map(PathBuf::from).filter(|path| path.is_absolute()),
        writable: plan.writable.clone(),
        argument_paths: argument_paths(&order.command),
        guarded: plan.guarded.clone(),
        protected,
        hidden: vec![world.config_directory.clone(), world.state_directory.clone()],
        masks: plan.masks.iter().map(|mask| mask_of(&mask.path, &mask.content)).collect(),
        merged: plan.merged.clone(),
        sockets: plan.sockets.clone(),
        devices: order.devices.clone(),
        kept_descriptors: order.command.iter().filter_map(|argument| named_descriptor(argument)).collect(),
        own_terminal: false,
        transparent_ports: transparent_ports(planned),
        listeners: listeners(&plan.ports),
        program: plan.ports.browser.then(|| program(&world.executable)),
    }
}

/// The Unix sockets inside that lead to the parent: those of the user, then the browser's.
fn listeners(wanted: &Wanted) -> Vec<PathBuf> {
    let browser = wanted.browser.then(|| PathBuf::from(BROWSER_SOCKET));
    wanted.sockets.iter().map(|socket| socket.inside.clone()).chain(browser).collect()
}

fn program(executable: &Path) -> Program {
    Program {
        executable: executable.to_owned(),
        path: Path::new(PROGRAMS).join(BROWSER_PROGRAM),
        names: BROWSER_NAMES.map(str::to_owned).to_vec(),
    }
}

pub(super) fn mask_of(path: &Path, content: &MaskContent) -> Mask {
    match content {
        MaskContent::File { bytes } => Mask::file(path, bytes.clone()),
        MaskContent::EmptyFile | MaskContent::Unreadable => Mask::file(path, Vec::new()),
        MaskContent::EmptyDirectory => Mask::directory(path),
    }
}

/// The run's own files in the seal.
pub(super) fn places(certificates: Certificates) -> Vec<Place> {
    let mut bundle_paths = certificates.replaced;
    bundle_paths.push(BUNDLE.into());
    let wgetrc = format!("ca_certificate = {BUNDLE}\n").into_bytes();
    vec![
        Place { paths: bundle_paths, bytes: Bytes(certificates.bundle) },
        Place { paths: vec![CERTIFICATE.into()], bytes: Bytes(certificates.authority) },
        Place { paths: vec![WGETRC.into()], bytes: Bytes(wgetrc) },
    ]
}

/// Ports besides 80 and 443 that policy opens, host loopback ports included.
fn transparent_ports(planned: &Planned) -> Vec<u16> {
    let egress = &planned.plan.egress;
    let mut ports: Vec<u16> =
        egress.allow.iter().map(|target| target.port).chain(egress.loopback.iter().copied()).collect();
    ports.retain(|port| !matches!(port, 53 | 80 | 443));
    ports.sort_unstable();
    ports.dedup();
    ports
}

/// What the command line names, as it is written, strictly below a replaced tree; also behind `=`, as in `--file=PATH`.
///
/// A name that only leads there through a symlink does not count: the child of an earlier run can make symlinks in the
/// project, and would choose what is bound.
fn argument_paths(command: &[OsString]) -> Vec<PathBuf> {
    let texts = command.iter().flat_map(|argument| {
        let behind = argument.as_bytes().splitn(2, |byte| *byte == b'=').nth(1).map(OsStr::from_bytes);
        [Some(argument.as_os_str()), behind].into_iter().flatten()
    });
    let is_below = |path: &&Path| REPLACED.iter().any(|tree| path.starts_with(tree) && *path != Path::new(tree));
    let is_itself = |path: &&Path| path.canonicalize().is_ok_and(|real| real == *path);
    let is_socket = |path: &&Path| path.metadata().is_ok_and(|metadata| metadata.file_type().is_socket());
    let paths = texts.map(Path::new).filter(is_below).filter(is_itself).filter(|path| !is_socket(path));
    paths.map(Path::to_path_buf).collect()
}

/// `N` of `/dev/fd/N` or `/proc/self/fd/N`: a descriptor that the shell opened for the command.
pub(super) fn named_descriptor(argument: &OsStr) -> Option<RawFd> {
    let text = argument.to_str()?;
    let digits = text.strip_prefix("/dev/fd/").or_else(|| text.strip_prefix("/proc/self/fd/"))?;
    digits.parse().ok().filter(|number| *number > 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_written_below_a_temporary_tree_is_bound() {
        let place = tempfile::Builder::new().tempdir_in("/tmp").unwrap();
        let file = place.path().join("file");
        let link = place.path().join("link");
        std::fs::write(&file, "").unwrap();
        std::os::unix::fs::symlink("/run", &link).unwrap();
        let option = format!("--in={}", file.display());
        let command =
            [file.as_os_str(), OsStr::new(&option), link.as_os_str(), OsStr::new("/tmp"), OsStr::new("/run/x")];
        assert_eq!(argument_paths(&command.map(OsString::from)), [file.clone(), file]);
    }

    #[test]
    fn process_substitutions_are_kept() {
        assert_eq!(named_descriptor(OsStr::new("/dev/fd/63")), Some(63));
        for other in ["/dev/fd/1", "/dev/fd/", "/dev/fd/x", "/dev/fd/-3", "63"] {
            assert_eq!(named_descriptor(OsStr::new(other)), None, "{other}");
        }
    }
}
