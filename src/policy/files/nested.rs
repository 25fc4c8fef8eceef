//! Paths that are guarded in whatever folder they stand.
//!
//! **Trade-off.** Each path of a tree is asked for, and the list is long: a name is looked up in a set first, and only what
//! is in there is compared as a whole.

use std::collections::{HashMap, HashSet};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use serde::Deserialize;

/// The longest name that a rule may have.
const LONGEST: usize = 64;

/// Rules of one or more names with slashes between. Case makes no difference: some file systems have none. A rule of a
/// single name may have one `*`, which stands for any characters.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(try_from = "Vec<String>")]
pub struct Nested {
    /// Without a `*`.
    plain: Vec<String>,
    /// Which of them end with a name, in lower case.
    by_name: HashMap<Vec<u8>, Vec<usize>>,
    /// In lower case, the names on the way to the last ones.
    ways: HashSet<Vec<u8>>,
    /// In lower case, what stands before and behind a `*`.
    families: Vec<(Vec<u8>, Vec<u8>)>,
}

impl TryFrom<Vec<String>> for Nested {
    type Error = String;

    fn try_from(rules: Vec<String>) -> Result<Self, String> {
        let mut nested = Self::default();
        for rule in rules {
            let lower = rule.to_ascii_lowercase();
            let mut names: Vec<&str> = lower.split('/').collect();
            if names.iter().any(|name| name.is_empty() || name.len() > LONGEST) {
                return Err(format!("`{rule}` is not a path of names of 1 to {LONGEST} bytes"));
            }
            if let Some((begin, end)) = lower.split_once('*') {
                if names.len() > 1 || end.contains('*') {
                    return Err(format!("`{rule}` is not a single name with one `*`"));
                }
                nested.families.push((begin.into(), end.into()));
                continue;
            }
            let last = names.pop().unwrap_or_default();
            nested.by_name.entry(last.into()).or_default().push(nested.plain.len());
            nested.ways.extend(names.into_iter().map(Into::into));
            nested.plain.push(rule);
        }
        Ok(nested)
    }
}

impl Nested {
    /// The rules without a `*`.
    pub fn plain(&self) -> &[String] {
        &self.plain
    }

    /// Whether something of this name may be covered, or lie on the way to what is.
    pub fn names(&self, name: &OsStr) -> bool {
        let mut room = [0; LONGEST];
        let Some(name) = lower(name.as_bytes(), &mut room) else { return self.is_of_family(name.as_bytes()) };
        self.by_name.contains_key(name) || self.ways.contains(name) || self.is_of_family(name)
    }

    /// Whether `path` ends with a rule.
    pub fn covers(&self, path: &Path) -> bool {
        let Some(name) = path.file_name() else { return false };
        let mut room = [0; LONGEST];
        let rules = lower(name.as_bytes(), &mut room).and_then(|name| self.by_name.get(name));
        rules.into_iter().flatten().any(|rule| ends_with(path, &self.plain[*rule]))
            || self.is_of_family(name.as_bytes())
    }

    /// What would be reached through `path`, if that were a symlink to a folder.
    pub fn reached_by(&self, path: &Path) -> Vec<PathBuf> {
        let mut room = [0; LONGEST];
        let name = path.file_name().and_then(|name| lower(name.as_bytes(), &mut room));
        if !name.is_some_and(|name| self.ways.contains(name)) {
            return Vec::new();
        }
        let splits = self.plain.iter().flat_map(|rule| rule.match_indices('/').map(move |(at, _)| rule.split_at(at)));
        splits.filter(|(way, _)| ends_with(path, way)).map(|(_, rest)| path.join(&rest[1..])).collect()
    }

    fn is_of_family(&self, name: &[u8]) -> bool {
        self.families.iter().any(|(begin, end)| {
            let rest = name.len().checked_sub(end.len()).filter(|rest| *rest >= begin.len());
            rest.is_some_and(|rest| {
                name[..begin.len()].eq_ignore_ascii_case(begin) && name[rest..].eq_ignore_ascii_case(end)
            })
        })
    }
}

/// `name` in lower case; `None` where it is longer than any rule's.
fn lower<'a>(name: &[u8], room: &'a mut [u8; LONGEST]) -> Option<&'a [u8]> {
    let room = room.get_mut(..name.len())?;
    room.copy_from_slice(name);
    room.make_ascii_lowercase();
    Some(room)
}

/// By whole names.
fn ends_with(path: &Path, rule: &str) -> bool {
    let bytes = path.as_os_str().as_bytes();
    let at = bytes.len().checked_sub(rule.len()).filter(|at| *at == 0 || bytes[at - 1] == b'/');
    at.is_some_and(|at| bytes[at..].eq_ignore_ascii_case(rule.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nested(rules: &[&str]) -> Result<Nested, String> {
        Nested::try_from(rules.iter().map(|rule| (*rule).to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn what_a_symlink_leads_to_is_known_at_each_part_of_the_way() {
        let rules = nested(&[".tool/settings/x.json", ".tool/y", "settings.json", ".m.*.toml"]).unwrap();
        let reached = |path: &str| rules.reached_by(Path::new(path));
        assert_eq!(reached("a/.Tool"), ["a/.Tool/settings/x.json", "a/.Tool/y"].map(PathBuf::from));
        assert_eq!(reached("a/.tool/settings"), [PathBuf::from("a/.tool/settings/x.json")]);
        for path in ["a/settings", "a/.tool/y", "a/x.tool", ""] {
            assert_eq!(reached(path), Vec::<PathBuf>::new(), "{path}");
        }
    }

    #[test]
    fn a_star_stands_for_any_characters_of_one_name() {
        let rules = nested(&[".m.*.toml"]).unwrap();
        for (name, expected) in
            [(".m.dev.toml", true), (".M.x.local.TOML", true), (".m.toml", false), (".m.d.yml", false)]
        {
            assert_eq!(rules.covers(&Path::new("a").join(name)), expected, "{name}");
            assert_eq!(rules.names(OsStr::new(name)), expected, "{name}");
        }
        assert!(rules.covers(Path::new(&format!("a/.m.{}.toml", "n".repeat(200)))));
        for wrong in ["a/*", "*a*", "a//b", "", &"n".repeat(LONGEST + 1)] {
            assert!(nested(&[wrong]).is_err(), "{wrong}");
        }
    }
}
