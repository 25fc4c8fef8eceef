//! Finds where many values end, one byte after the other (Aho and Corasick, 1975).
//!
//! **Invariants.** A byte costs constant time over all bytes that were read, whatever the values have in common.

use zeroize::Zeroizing;

/// The first letters of the values as a tree; node 0 is its root. Nodes are numbered by their depth, so that children of
/// one node are neighbours.
#[derive(Default)]
pub(super) struct Trie {
    /// Where the children of each node begin; one more than there are nodes.
    children: Vec<u32>,
    /// The byte that leads into each node; of neighbours in rising order.
    bytes: Zeroizing<Vec<u8>>,
    /// The longest end of what led to a node that is the beginning of a value, too.
    fallbacks: Vec<u32>,
    depths: Vec<u32>,
    /// How long the longest end of what led to a node is that goes on to a value: shorter than its depth where nothing
    /// follows it.
    live: Vec<u32>,
    /// The longest value that ends at a node, with its length; [`Ending::NONE`] where none does.
    endings: Vec<Ending>,
    /// The child of the root for each byte.
    first: Zeroizing<Vec<u32>>,
    longest: usize,
}

/// A value that ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Ending {
    value: u32,
    length: u32,
}

impl Ending {
    /// Values have a byte at least.
    const NONE: Self = Self { value: 0, length: 0 };

    /// Which one.
    pub(super) fn value(self) -> usize {
        self.value as usize
    }

    /// How many bytes it has.
    pub(super) fn length(self) -> usize {
        self.length as usize
    }
}

/// What is still to be made a node: the values from `begin` to `end`, which have their first `depth` bytes in common.
struct Branch {
    parent: u32,
    begin: usize,
    end: usize,
    depth: usize,
}

impl Trie {
    /// Of `values`; of two that are the same, the first counts.
    pub(super) fn new(values: &[Zeroizing<Vec<u8>>]) -> Self {
        let mut order: Vec<usize> = (0..values.len()).filter(|index| !values[*index].is_empty()).collect();
        order.sort_by(|one, other| values[*one].cmp(&values[*other]));
        let longest = values.iter().map(|value| value.len()).max().unwrap_or_default();
        let mut trie = Self { first: Zeroizing::new(vec![0; 256]), longest, ..Self::default() };
        let mut branches = vec![Branch { parent: 0, begin: 0, end: order.len(), depth: 0 }];
        let mut node = 0;
        while let Some(branch) = branches.get(node) {
            let (parent, depth, end) = (branch.parent, branch.depth, branch.end);
            let mut begin = branch.begin;
            let byte = if depth == 0 { 0 } else { values[order[begin]][depth - 1] };
            trie.push(parent, byte, depth);
            let own = order[begin..end].iter().take_while(|index| values[**index].len() == depth).count();
            if own > 0 && depth > 0 {
                trie.endings[node] = Ending { value: number(order[begin]), length: number(depth) };
            }
            begin += own;
            trie.children.push(number(branches.len()));
            while begin < end {
                let next = values[order[begin]][depth];
                let same = order[begin..end].iter().take_while(|index| values[**index][depth] == next).count();
                if depth == 0 {
                    trie.first[usize::from(next)] = number(branches.len());
                }
                branches.push(Branch { parent: number(node), begin, end: begin + same, depth: depth + 1 });
                begin += same;
            }
            node += 1;
        }
        trie.children.push(number(branches.len()));
        for node in 0..branches.len() {
            let goes_on = trie.children[node] < trie.children[node + 1];
            let shorter = trie.live.get(trie.fallbacks[node] as usize).copied().unwrap_or_default();
            trie.live.push(if goes_on { trie.depths[node] } else { shorter });
        }
        trie
    }

    /// Adds a node. Those above it are whole, but for their children behind this one.
    fn push(&mut self, parent: u32, byte: u8, depth: usize) {
        let fallback = if depth < 2 { 0 } else { self.after(self.fallbacks[parent as usize], byte) };
        self.bytes.push(byte);
        self.depths.push(number(depth));
        self.fallbacks.push(fallback);
        let ending = if depth == 0 { Ending::NONE } else { self.endings[fallback as usize] };
        self.endings.push(ending);
    }

    /// The node behind `node` and `byte`.
    #[inline]
    pub(super) fn after(&self, mut node: u32, byte: u8) -> u32 {
        while node != 0 {
            let (begin, end) = (self.children[node as usize] as usize, self.children[node as usize + 1] as usize);
            let children = &self.bytes[begin..end];
            let found = match children {
                [only] => (*only == byte).then_some(0),
                _ => children.binary_search(&byte).ok(),
            };
            if let Some(place) = found {
                return number(begin + place);
            }
            node = self.fallbacks[node as usize];
        }
        self.first[usize::from(byte)]
    }

    /// How many of the bytes that led to `node` may go on to a value.
    #[inline]
    pub(super) fn live(&self, node: u32) -> usize {
        self.live[node as usize] as usize
    }

    /// The longest value that ends at `node`.
    #[inline]
    pub(super) fn ending(&self, node: u32) -> Option<Ending> {
        Some(self.endings[node as usize]).filter(|ending| *ending != Ending::NONE)
    }

    /// The length of the longest value.
    pub(super) fn longest(&self) -> usize {
        self.longest
    }
}

/// The number of a node. More than 2^32 of them fit into no memory.
fn number(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}
