//! Decodes bytes into a tree of macros with leaf futures.
//!
//! # Invariants
//! The tree is finite, since the bytes end. Leaves are numbered in the order in which they are read.

use timeloop_fuzz::Reader;

/// The value of a future. A fussy branch of a `select!` matches no error.
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
    /// Makes nested joins, and with `selects_too` also nested `select!`s, begin with their first future at each poll. If
    /// another future is preempted, they get an additional poll, which joins count and for which a `select!` chooses.
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

/// An action of a leaf before its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    /// Yields: waits until its task is resumed.
    Yield,
    /// Accesses the shared resource, before which the task may be preempted.
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
    /// Whether its pattern matches values only, and no errors.
    pub(crate) fussy: bool,
}

/// An event of a leaf.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    /// The part that is done or, for a `Yield`, begins.
    Did(usize, usize),
    Ended(usize),
    Dropped(usize),
}

impl Event {
    /// Returns a number for the fuzzer's coverage.
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
