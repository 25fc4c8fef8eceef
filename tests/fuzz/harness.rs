//! Feeds what reads untrusted bytes with mutations of well-formed ones.
//!
//! A target is a unit test beside what it feeds, since most of that can be called from nowhere else; this file is included
//! there by its path. A stable compiler gives no coverage to be guided by (cargo-fuzz wants a nightly one): so seeds are
//! to have everything that their format has, mutations are plenty, and targets check more than that nothing panics.
//!
//! An input that fails is kept in `tests/fuzz/found/TARGET/`, which every later run of the target begins with: committed
//! there, it is a test. `AGENTSECRETS_FUZZ_SECONDS` says for how long to go on; without it there are a few hundred inputs,
//! the same in each run.

use std::fs;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// How many inputs there are without a time.
const FEW: usize = 300;
/// The longest input.
const LONGEST: usize = 64 << 10;
/// How long an input may take; a build without optimisation on a busy machine included.
const PATIENCE: Duration = Duration::from_secs(5);
/// What means something in some format.
const MARKS: &[u8] = b"\0\t\n\r \"#$%&'()*+,-./0189:;<=>?@AZ[\\]^_`az{|}~\x7f\x80\xc3\xff";

/// Calls `run` with each input. It fails by a panic, or by taking too long.
pub(super) fn fuzz(target: &str, seeds: &[&[u8]], run: impl Fn(&[u8])) {
    let found = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz/found").join(target);
    for path in kept(&found) {
        feed(&fs::read(&path).unwrap(), &found, &run);
    }
    for seed in seeds {
        feed(seed, &found, &run);
    }
    #[expect(clippy::disallowed_methods, reason = "how long to go on is said to a test, never to the program")]
    let seconds = std::env::var("AGENTSECRETS_FUZZ_SECONDS").ok().and_then(|text| text.parse().ok());
    let until = seconds.map(|seconds| Instant::now() + Duration::from_secs(seconds));
    let begin = if until.is_some() { SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs() } else { 1 };
    let mut dice = Dice(begin);
    let mut count = 0;
    while until.map_or(count < FEW, |until| Instant::now() < until) {
        feed(&mutated(&mut dice, seeds), &found, &run);
        count += 1;
    }
}

fn kept(found: &Path) -> Vec<PathBuf> {
    let mut paths: Vec<PathBuf> =
        fs::read_dir(found).into_iter().flatten().filter_map(|entry| Some(entry.ok()?.path())).collect();
    paths.sort();
    paths
}

fn feed(input: &[u8], found: &Path, run: &impl Fn(&[u8])) {
    let begin = Instant::now();
    let outcome = catch_unwind(AssertUnwindSafe(|| run(input)));
    let took = begin.elapsed();
    if outcome.is_ok() && took < PATIENCE {
        return;
    }
    let mut hasher = DefaultHasher::new();
    input.hash(&mut hasher);
    let path = found.join(format!("{:016x}", hasher.finish()));
    let kept = fs::create_dir_all(found).and_then(|()| fs::write(&path, input));
    panic!("{} ({kept:?}): {:?} after {took:?}: {}", path.display(), outcome.err().is_some(), input.escape_ascii());
}

/// A generator of numbers (Steele, Lea and Flood, 2014).
struct Dice(u64);

impl Dice {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((mixed ^ mixed >> 31) >> 32).unwrap() % end.max(1)
    }

    fn byte(&mut self) -> u8 {
        if self.below(2) == 0 { MARKS[self.below(MARKS.len())] } else { self.below(256).to_le_bytes()[0] }
    }

    /// A part of a text of `length`; mostly a short one.
    fn range(&mut self, length: usize) -> std::ops::Range<usize> {
        let begin = self.below(length + 1);
        let most = if self.below(4) == 0 { length } else { 16 };
        begin..length.min(begin + self.below(most + 1))
    }
}

fn mutated(dice: &mut Dice, seeds: &[&[u8]]) -> Vec<u8> {
    let mut text = seeds[dice.below(seeds.len())].to_vec();
    for _ in 0..=dice.below(6) {
        let place = dice.below(text.len() + 1);
        let range = dice.range(text.len());
        match dice.below(9) {
            0 if place < text.len() => text[place] ^= 1 << dice.below(8),
            1 if place < text.len() => text[place] = dice.byte(),
            2 => {
                text.splice(range, []);
            }
            3 => {
                let part = text[range].to_vec();
                text.splice(place..place, part);
            }
            4 => {
                let other = seeds[dice.below(seeds.len())];
                let part = other[dice.range(other.len())].to_vec();
                text.splice(range, part);
            }
            5 => text.truncate(place),
            6 => {
                let most = if dice.below(8) == 0 { LONGEST / range.len().max(1) } else { 8 };
                let part = text[range].repeat(dice.below(most));
                text.splice(place..place, part);
            }
            7 => {
                let more = (0..=dice.below(4)).map(|_| dice.byte()).collect::<Vec<_>>();
                text.splice(range, more);
            }
            _ => text.insert(place, dice.byte()),
        }
        text.truncate(LONGEST);
    }
    text
}
