//! The certificates that the child is to trust: the user's own roots and the run's authority, as PEM.

use std::fs;
use std::path::{Path, PathBuf};

use super::packages;
use crate::plan::Plan;
use crate::policy::TrustRules;
use crate::world::World;

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
    let Ok(pem) = fs::read(path) else { return };
    // Only certificates: a file that holds a private key beside its certificate keeps the key to itself.
    for block in certificate_blocks(&pem) {
        bundle.extend_from_slice(block);
        bundle.push(b'\n');
    }
}

/// The `CERTIFICATE` blocks of a PEM text (RFC 7468 §2).
fn certificate_blocks(pem: &[u8]) -> impl Iterator<Item = &[u8]> {
    const BEGIN: &[u8] = b"-----BEGIN CERTIFICATE-----";
    const END: &[u8] = b"-----END CERTIFICATE-----";
    memchr::memmem::find_iter(pem, BEGIN).filter_map(move |start| {
        let length = memchr::memmem::find(&pem[start..], END)? + END.len();
        Some(&pem[start..start + length])
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_private_key_beside_a_certificate_stays_out() {
        let pem = b"# x\n-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----\n-----BEGIN PRIVATE KEY-----\nBB==\n-----END PRIVATE KEY-----\n";
        let blocks: Vec<&[u8]> = certificate_blocks(pem).collect();
        assert_eq!(blocks, [b"-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----".as_slice()]);
    }
}
