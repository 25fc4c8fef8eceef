//! The certificates that the child is to trust: the user's own roots and the run's authority, as PEM.

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

use memchr::memmem::Finder;

use super::packages;
use crate::plan::Plan;
use crate::policy::TrustRules;
use crate::world::World;

/// More room is made in advance for no bundle.
const USUAL: usize = 1 << 20;

/// The two PEM texts.
pub(super) struct Certificates {
    /// The user's roots and the run's authority.
    pub(super) bundle: Vec<u8>,
    /// The run's authority alone.
    pub(super) authority: Vec<u8>,
    /// The bundles of the system and of packages that exist and that the bundle stands in for.
    pub(super) replaced: Vec<PathBuf>,
}

/// Reads the system's bundle and what the user's own variables name, and puts the run's authority behind them.
///
/// A file that a variable names and that cannot be read is passed over, as clients do that find none there.
pub(super) fn certificates(world: &World, plan: &Plan, rules: &TrustRules, authority: &str) -> Certificates {
    let system_bundles: Vec<PathBuf> =
        rules.system_bundles.iter().map(PathBuf::from).filter(|path| path.is_file()).collect();
    let named = rules.inherited.iter().filter_map(|variable| world.variable(variable)).map(PathBuf::from);
    let mut bundle = Vec::new();
    let mut read: Vec<PathBuf> = Vec::new();
    for path in system_bundles.iter().take(1).cloned().chain(named) {
        let Ok(path) = path.canonicalize() else { continue };
        if !read.contains(&path) {
            append(&mut bundle, &path);
            read.push(path);
        }
    }
    let packages = packages::bundles(world, &plan.arguments, &plan.project, rules);
    if let Some(path) = packages.first().filter(|_| bundle.is_empty()) {
        // A machine without roots of its own, as small containers are: those of a package are better than none.
        append(&mut bundle, path);
    }
    bundle.extend_from_slice(authority.as_bytes());
    let mut replaced = system_bundles;
    replaced.extend(packages);
    Certificates { bundle, authority: authority.as_bytes().to_vec(), replaced }
}

fn append(bundle: &mut Vec<u8>, path: &Path) {
    let Ok(mut file) = fs::File::open(path) else { return };
    let start = bundle.len();
    let length = file.metadata().ok().and_then(|metadata| usize::try_from(metadata.len()).ok()).unwrap_or_default();
    // Room for the run's authority too: the bundle is large, and to move it takes a part of the start-up.
    bundle.reserve(length.min(USUAL) + 4096);
    match file.read_to_end(bundle) {
        Ok(_) => keep_certificates(bundle, start),
        Err(_) => bundle.truncate(start),
    }
}

/// Leaves of what follows `start` the `CERTIFICATE` blocks of a PEM text alone (RFC 7468 §2): a file that holds a private
/// key beside its certificate keeps the key to itself.
fn keep_certificates(bundle: &mut Vec<u8>, start: usize) {
    const BEGIN: &[u8] = b"-----BEGIN CERTIFICATE-----";
    const END: &[u8] = b"-----END CERTIFICATE-----";
    let (begins, ends) = (Finder::new(BEGIN), Finder::new(END));
    let (mut kept, mut from) = (start, start);
    while let Some(begin) = begins.find(&bundle[from..]).map(|at| from + at)
        && let Some(end) = ends.find(&bundle[begin..]).map(|at| begin + at + END.len())
    {
        if bundle.get(end) != Some(&b'\n') {
            bundle.insert(end, b'\n');
        }
        from = end + 1;
        bundle.copy_within(begin..from, kept);
        kept += from - begin;
    }
    bundle.truncate(kept);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_private_key_beside_a_certificate_stays_out() {
        let one = "-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----";
        let key = "-----BEGIN PRIVATE KEY-----\nBB==\n-----END PRIVATE KEY-----";
        let two = one.replace("AA", "CC");
        for (pem, expected) in [
            (format!("# x\n{one}\n{key}\n"), format!("{one}\n")),
            (format!("{key}\n{one}{two}\n\n{one}"), format!("{one}\n{two}\n{one}\n")),
            (format!("{one}\r\n{key}\r\n{two}\r\n"), format!("{one}\n{two}\n")),
            (format!("{one}\n-----BEGIN CERTIFICATE-----\nDD"), format!("{one}\n")),
            (key.to_owned(), String::new()),
        ] {
            let mut bundle = format!("before\n{pem}").into_bytes();
            keep_certificates(&mut bundle, 7);
            assert_eq!(String::from_utf8(bundle).unwrap(), format!("before\n{expected}"), "{pem}");
        }
    }
}
