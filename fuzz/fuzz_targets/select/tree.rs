//! What the bytes mean: a tree of macros, with plain futures for leaves.
//!
//! Always true: the tree is small, for bytes run out; leaves are numbered in the order in which they are read.

use timeloop_fuzz::Reader;

/// What a future gives; a fussy branch of a `select!` takes no error.
pub(crate) type Value = Result<u8, u8>;

const LEAVES_MAX: usize = 16;
const DEPTH_MAX: usize = 4;

#[derive(Clone, Debug)]
pub(crate) enum Node {
    Leaf { number: usize, parts: Vec<Part>, end: End },
    Select { biased: bool, otherwise: bool, branches: Vec<Branch> },
    Join { biased: bool, nodes: Vec<Node> },
    TryJoin { biased: bool, nodes: Vec<Node> },
}

impl Node {
    /// Makes what is inside of others begin with its first future at each poll, for where another future has given way it
    /// is polled once more than it would be: joins, which count polls, and if asked for also `select!`s, which decide.
    pub(crate) fn steady(&mut self, selects_too: bool) {
        let inner: Vec<&mut Self> = match self {
            Self::Leaf { .. } => Vec::new(),
            Self::Select { branches, .. } => branches.iter_mut().map(|branch| &mut branch.node).collect(),
            Self::Join { nodes, .. } | Self::TryJoin { nodes, .. } => nodes.iter_mut().collect(),
        };
        for node in inner {
            match node {
                Self::Join { biased, .. } | Self::TryJoin { biased, .. } => *biased = true,
                Self::Select { biased, .. } => *biased |= selects_too,
                Self::Leaf { .. } => {}
            }
            node.steady(selects_too);
        }
    }
}

/// What a leaf does before its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    /// Waits until its task is resumed, as it is at once.
    Yield,
    /// Accesses what all share, before which it may give way.
    Access,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    Value(Value),
    Never,
    Panic,
}

#[derive(Clone, Debug)]
pub(crate) struct Branch {
    pub(crate) node: Node,
    pub(crate) enabled: bool,
    /// Whether its pattern takes values alone, and no errors.
    pub(crate) fussy: bool,
}

/// What a leaf did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    /// Which part of it is done or, of a `Yield`, begins.
    Did(usize, usize),
    Ended(usize),
    Dropped(usize),
}

impl Event {
    /// A number for the fuzzer.
    pub(crate) fn number(&self) -> u64 {
        let (kind, leaf) = match *self {
            Self::Did(leaf, _) => (0, leaf),
            Self::Ended(leaf) => (1, leaf),
            Self::Dropped(leaf) => (2, leaf),
        };
        kind << 8 | leaf as u64
    }
}

/// Reads a tree.
pub(crate) fn read(reader: &mut Reader<'_>) -> Node {
    node(reader, &mut 0, 0)
}

fn node(reader: &mut Reader<'_>, leaves: &mut usize, depth: usize) -> Node {
    let byte = reader.byte();
    let (kind, count, flags) = (byte & 7, 1 + usize::from(byte >> 3 & 3), byte >> 5);
    let (biased, otherwise) = (flags & 1 == 1, flags & 2 == 2);
    if kind < 3 || depth == DEPTH_MAX || *leaves + count > LEAVES_MAX {
        return leaf(reader, leaves);
    }
    let mut child = |reader: &mut Reader<'_>| node(reader, leaves, depth + 1);
    match kind {
        3..6 => {
            let branches = (0..count).map(|_| {
                let byte = reader.byte();
                Branch { enabled: byte & 3 != 3, fussy: byte & 4 == 4, node: child(reader) }
            });
            Node::Select { biased, otherwise, branches: branches.collect() }
        }
        6 => Node::Join { biased, nodes: (0..count.min(3)).map(|_| child(reader)).collect() },
        _ => Node::TryJoin { biased, nodes: (0..count.min(3)).map(|_| child(reader)).collect() },
    }
}

fn leaf(reader: &mut Reader<'_>, leaves: &mut usize) -> Node {
    let byte = reader.byte();
    let parts =
        (0..byte & 3).map(|part| if byte >> (2 + part) & 1 == 1 { Part::Access } else { Part::Yield });
    let end = match byte >> 5 {
        0..4 => End::Value(Ok(byte >> 5)),
        4 | 5 => End::Value(Err(byte >> 5)),
        6 => End::Never,
        _ => End::Panic,
    };
    let number = *leaves;
    *leaves += 1;
    Node::Leaf { number, parts: parts.collect(), end }
}
