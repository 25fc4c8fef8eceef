//! Memory for values that are kept for a run: pages of their own, which no core file holds and no swap where the limit of
//! locked memory allows.
//!
//! **Invariants.** The pages are wiped before they go back to the kernel.
//!
//! **Trade-off.** Best effort, and for the values themselves alone: what the redactor looks for and headers on their way
//! out are ordinary memory, wiped after use.

use memmap2::{Advice, MmapMut};
use zeroize::Zeroize as _;

/// Bytes on pages of their own.
pub(super) struct Pages {
    mapping: MmapMut,
    length: usize,
    is_locked: bool,
}

impl Pages {
    /// Copies `bytes`; `None` where the kernel has no page left, or there is nothing to keep.
    pub(super) fn holding(bytes: &[u8]) -> Option<Self> {
        let mut mapping = MmapMut::map_anon(bytes.len()).ok().filter(|_| !bytes.is_empty())?;
        // Before the value is there (mlock(2), madvise(2)).
        let is_locked = mapping.lock().is_ok();
        let _ = mapping.advise(Advice::DontDump);
        mapping.get_mut(..bytes.len())?.copy_from_slice(bytes);
        Some(Self { mapping, length: bytes.len(), is_locked })
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.mapping[..self.length]
    }

    /// Whether they stay out of swap.
    pub(super) fn is_locked(&self) -> bool {
        self.is_locked
    }
}

impl Drop for Pages {
    fn drop(&mut self) {
        self.mapping.zeroize();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_hold_what_they_were_given() {
        let value = vec![7; 10_000];
        assert_eq!(Pages::holding(&value).unwrap().bytes(), value);
        assert!(Pages::holding(b"").is_none());
    }

    #[test]
    fn the_kernel_knows_them_as_locked_and_not_to_be_dumped() {
        let pages = Pages::holding(b"a value").unwrap();
        let begin = format!("{:x}-", pages.bytes().as_ptr().addr());
        let maps = std::fs::read_to_string("/proc/self/smaps").unwrap();
        let mapping = maps.split_once(&begin).unwrap().1;
        let flags = mapping.lines().find_map(|line| line.strip_prefix("VmFlags:")).unwrap();
        let flags: Vec<&str> = flags.split_whitespace().collect();
        assert!(flags.contains(&"dd"), "{flags:?}");
        assert_eq!(flags.contains(&"lo"), pages.is_locked(), "{flags:?}");
    }
}
