//! Removes what was kept too long, or is more than there is room for.

use std::fs;
use std::io;
use std::path::Path;
use std::time::{Duration, SystemTime};

use super::store::{PARTIAL, find_kept, open, stands_at};

/// How long something is kept.
const LONGEST: Duration = Duration::from_hours(30 * 24);
/// How many bytes are kept of all runs together.
const MOST_BYTES: u64 = 512 << 20;

/// Removes below `above` what is older than a month, the oldest of what is more than half a gigabyte, and what dead
/// processes left half filled. What somebody reads or fills at this moment stays. Best effort: the next run tries again.
pub fn age_out(above: &Path) {
    remove_dead(above);
    let now = SystemTime::now();
    let mut found = find_kept(above).unwrap_or_default();
    let mut total: u64 = found.iter().map(|found| found.bytes).sum();
    // The newest is what its user has just been told of.
    let Some(_) = found.pop() else { return };
    for old in found {
        let age = fs::symlink_metadata(&old.path).and_then(|facts| facts.modified());
        let age = age.ok().and_then(|modified| now.duration_since(modified).ok()).unwrap_or_default();
        if (total > MOST_BYTES || age > LONGEST) && remove(&old.path).is_ok() {
            total = total.saturating_sub(old.bytes);
        }
    }
}

fn remove_dead(above: &Path) {
    let Ok(entries) = fs::read_dir(above) else { return };
    for entry in entries.flatten() {
        if entry.file_name().to_str().is_some_and(|name| name.ends_with(PARTIAL)) {
            // Its maker holds the lock as long as it lives.
            let _ = remove(&entry.path());
        }
    }
}

/// Removes a directory that nobody holds.
fn remove(path: &Path) -> io::Result<()> {
    let directory = open(path)?;
    directory.try_lock().map_err(io::Error::from)?;
    if stands_at(&directory, path) { fs::remove_dir_all(path) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use std::fs::File;

    use super::super::store::tests::{keep, run_at};
    use super::super::{Keeping, Kept};
    use super::*;

    fn names(above: &Path) -> usize {
        fs::read_dir(above).unwrap().count()
    }

    #[test]
    fn old_ones_go_and_the_newest_stays() {
        let place = tempfile::tempdir().unwrap();
        let runs = ["2026-09-01T00:00:00Z", "2026-10-01T00:00:00Z", "2026-11-01T00:00:00Z"].map(run_at);
        for run in &runs {
            keep(place.path(), run, b"x");
        }
        let age = |run: &super::super::super::RunId| {
            let found = find_kept(place.path()).unwrap().into_iter().find(|found| found.run == *run).unwrap();
            File::open(found.path).unwrap().set_modified(SystemTime::now() - LONGEST - Duration::from_mins(1)).unwrap();
        };
        age(&runs[0]);
        age(&runs[2]);
        age_out(place.path());
        let left: Vec<_> = find_kept(place.path()).unwrap().into_iter().map(|found| found.run).collect();
        assert_eq!(left, runs[1..]);
    }

    #[test]
    fn the_oldest_give_way_unless_they_are_read() {
        let place = tempfile::tempdir().unwrap();
        let runs = ["2026-09-01T00:00:00Z", "2026-10-01T00:00:00Z", "2026-11-01T00:00:00Z"].map(run_at);
        for run in &runs {
            keep(place.path(), run, b"x");
            let found = find_kept(place.path()).unwrap().into_iter().find(|found| found.run == *run).unwrap();
            fs::rename(&found.path, place.path().join(format!("{run}.{}", MOST_BYTES / 2))).unwrap();
        }
        let read = Kept::open(place.path(), &runs[0]).unwrap().unwrap();
        age_out(place.path());
        let left = || find_kept(place.path()).unwrap().into_iter().map(|found| found.run).collect::<Vec<_>>();
        assert_eq!(left(), [runs[0].clone(), runs[2].clone()], "the one that is read stays");
        drop(read);
        age_out(place.path());
        assert_eq!(left(), [runs[0].clone(), runs[2].clone()], "there is room now");
    }

    #[test]
    fn what_the_dead_left_goes_and_what_the_living_fill_stays() {
        let place = tempfile::tempdir().unwrap();
        fs::create_dir(place.path().join("20261103-101530482-k7f3a2c2.partial")).unwrap();
        let living = Keeping::begin(place.path(), run_at("2026-11-03T10:15:30Z")).unwrap();
        age_out(place.path());
        assert_eq!(names(place.path()), 1);
        drop(living);
        assert_eq!(names(place.path()), 0);
    }
}
