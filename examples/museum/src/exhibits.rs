//! The catalogue: what is known about each exhibit apart from its scenario.
//!
//! # Invariants
//! Every exhibit has a scenario of the same name in `scenarios/` or in `apart/`, and its two versions are those that
//! the manifests pin.

/// One published bug.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exhibit {
    /// The name that `museum <name>` accepts.
    pub name: &'static str,
    /// The crate, as published, and its module if a crate has several exhibits.
    pub subject: &'static str,
    /// The version with the bug.
    pub buggy: &'static str,
    /// The first published version without it, if there is one.
    pub fixed: Option<&'static str>,
    /// The crate's home on GitHub.
    pub repository: &'static str,
    /// Where the bug was reported or its fix noted: issues and pull requests of the repository, a commit, or its
    /// changelog.
    pub reference: &'static str,
    /// The failure in a few words.
    pub wrong: &'static str,
}

impl Exhibit {
    /// Returns the exhibit with this name.
    #[must_use]
    pub fn named(name: &str) -> Option<&'static Self> {
        EXHIBITS.iter().find(|exhibit| exhibit.name == name)
    }
}

/// All exhibits, in the order of the table.
pub const EXHIBITS: &[Exhibit] = &[
    Exhibit {
        name: "flume",
        subject: "flume",
        buggy: "0.10.10",
        fixed: Some("0.10.11"),
        repository: "zesterer/flume",
        reference: "#98, #99",
        wrong: "messages are reversed",
    },
    Exhibit {
        name: "loole",
        subject: "loole",
        buggy: "0.3.1",
        fixed: Some("0.4.0"),
        repository: "mahdi-shojaee/loole",
        reference: "changes",
        wrong: "a cancel loses a wake",
    },
    Exhibit {
        name: "embassy-signal",
        subject: "embassy-sync Signal",
        buggy: "0.7.2",
        fixed: Some("0.8.0"),
        repository: "embassy-rs/embassy",
        reference: "#4598",
        wrong: "hang after a reset",
    },
    Exhibit {
        name: "embassy-channel",
        subject: "embassy-sync Channel",
        buggy: "0.6.2",
        fixed: Some("0.7.0"),
        repository: "embassy-rs/embassy",
        reference: "#3807",
        wrong: "clear wakes nobody",
    },
    Exhibit {
        name: "event-listener-1",
        subject: "event-listener",
        buggy: "1.0.0",
        fixed: Some("1.0.1"),
        repository: "smol-rs/event-listener",
        reference: "changes",
        wrong: "newest is woken first",
    },
    Exhibit {
        name: "event-listener-2",
        subject: "event-listener",
        buggy: "2.3.2",
        fixed: Some("2.3.3"),
        repository: "smol-rs/event-listener",
        reference: "changes",
        wrong: "list of waiters is cut",
    },
    Exhibit {
        name: "async-channel",
        subject: "async-channel",
        buggy: "1.4.1",
        fixed: Some("1.4.2"),
        repository: "smol-rs/async-channel",
        reference: "#13",
        wrong: "senders wake each other",
    },
    Exhibit {
        name: "async-broadcast",
        subject: "async-broadcast",
        buggy: "0.3.2",
        fixed: Some("0.3.3"),
        repository: "smol-rs/async-broadcast",
        reference: "b45e7ed",
        wrong: "last receiver overlooked",
    },
    Exhibit {
        name: "async-unsync",
        subject: "async-unsync",
        buggy: "0.1.0",
        fixed: Some("0.1.1"),
        repository: "oliver-giersch/async-unsync",
        reference: "changes",
        wrong: "last drop wakes nobody",
    },
    Exhibit {
        name: "futures-intrusive",
        subject: "futures-intrusive",
        buggy: "0.2.0",
        fixed: Some("0.3.0"),
        repository: "Matthias247/futures-intrusive",
        reference: "#18, #19",
        wrong: "a stale waker is kept",
    },
    Exhibit {
        name: "futures-locks-0.4",
        subject: "futures-locks",
        buggy: "0.4.0",
        fixed: Some("0.5.0"),
        repository: "asomers/futures-locks",
        reference: "#24",
        wrong: "releasing a lock panics",
    },
    Exhibit {
        name: "futures-locks-0.7",
        subject: "futures-locks",
        buggy: "0.7.1",
        fixed: None,
        repository: "asomers/futures-locks",
        reference: "none",
        wrong: "cancelled readers count",
    },
    Exhibit {
        name: "mea-acquire",
        subject: "mea Semaphore",
        buggy: "0.2.1",
        fixed: Some("0.3.2"),
        repository: "fast/mea",
        reference: "#39",
        wrong: "permits lost or invented",
    },
    Exhibit {
        name: "mea-try-acquire",
        subject: "mea Semaphore",
        buggy: "0.1.4",
        fixed: Some("0.1.5"),
        repository: "fast/mea",
        reference: "#28",
        wrong: "too many permits are out",
    },
    Exhibit {
        name: "moka",
        subject: "moka",
        buggy: "0.12.13",
        fixed: Some("0.12.14"),
        repository: "moka-rs/moka",
        reference: "#574",
        wrong: "an update is lost",
    },
    Exhibit {
        name: "deadpool",
        subject: "deadpool",
        buggy: "0.9.4",
        fixed: Some("0.9.5"),
        repository: "bikeshedder/deadpool",
        reference: "changes",
        wrong: "objects beyond max_size",
    },
    Exhibit {
        name: "async-singleflight",
        subject: "async_singleflight",
        buggy: "0.6.1",
        fixed: Some("0.6.2"),
        repository: "PureWhiteWu/async_singleflight",
        reference: "#12",
        wrong: "work runs twice at once",
    },
    Exhibit {
        name: "yamux",
        subject: "yamux",
        buggy: "0.13.3",
        fixed: Some("0.13.4"),
        repository: "libp2p/rust-yamux",
        reference: "#194",
        wrong: "data is lost at close",
    },
    Exhibit {
        name: "postage",
        subject: "postage oneshot",
        buggy: "0.4.1",
        fixed: Some("0.5.0"),
        repository: "austinjones/postage-rs",
        reference: "#44, #50",
        wrong: "a drop wakes nobody",
    },
    Exhibit {
        name: "tokio-mutex",
        subject: "tokio Mutex",
        buggy: "0.2.3",
        fixed: Some("0.2.4"),
        repository: "tokio-rs/tokio",
        reference: "#1898",
        wrong: "a cancelled lock is kept",
    },
    Exhibit {
        name: "h2",
        subject: "h2",
        buggy: "0.4.5",
        fixed: Some("0.4.6"),
        repository: "hyperium/h2",
        reference: "#791",
        wrong: "a reset wakes nobody",
    },
    Exhibit {
        name: "tower",
        subject: "tower",
        buggy: "0.4.13",
        fixed: Some("0.5.0"),
        repository: "tower-rs/tower",
        reference: "#709",
        wrong: "idle stream keeps permit",
    },
];
