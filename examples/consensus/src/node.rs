//! A server: openraft with its store, registers and network, and a port for peers and clients.
//!
//! # Invariants
//! The state of a node that starts comes from its disk only.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

use openraft::error::{CheckIsLeaderError, ClientWriteError, RaftError};
use openraft::raft::AppendEntriesResponse;
use openraft::{BasicNode, Config, Raft, SnapshotPolicy};
use timeloop::net::{TcpListener, TcpStream};

use crate::disk::Disk;
use crate::ledger::Ledger;
use crate::machine::Machine;
use crate::peer::Peers;
use crate::store::Store;
use crate::wire::{PORT, Request, Response, receive, send};
use crate::{Bug, Command, Operation, Types, name_of};

/// Returns openraft's default configuration with more frequent snapshots, so that a short run has some.
#[must_use]
pub fn config() -> Arc<Config> {
    let config = Config {
        heartbeat_interval: 50,
        election_timeout_min: 150,
        election_timeout_max: 300,
        snapshot_policy: SnapshotPolicy::LogsSinceLast(50),
        // `Config::default` parses an empty command line, so it is called once per thread.
        ..BASE.with(Config::clone)
    };
    Arc::new(config)
}

thread_local! {
    static BASE: Config = Config::default();
}

/// Runs a node of a cluster with `nodes` nodes.
///
/// # Errors
/// Returns an error if the node cannot listen.
pub async fn serve(
    node: u64,
    nodes: u64,
    disk: Disk,
    config: Arc<Config>,
    ledger: Ledger,
    bug: Option<Bug>,
) -> io::Result<()> {
    let (slots, lost) = disk.mount();
    ledger.record_start(node, &lost);
    let store = Store::open(disk.clone(), &slots, bug);
    let machine = Machine::open(node, disk, &slots, ledger.clone());
    let raft = Raft::new(node, config, Peers, store, machine.clone()).await.map_err(io::Error::other)?;

    let listener = TcpListener::bind(("0.0.0.0", PORT)).await?;
    if node == 1 {
        let members: BTreeMap<u64, BasicNode> =
            (1..=nodes).map(|node| (node, BasicNode::new(format!("{}:{PORT}", name_of(node))))).collect();
        // Fails if the cluster is already initialized, because this is a restart.
        let _ = raft.initialize(members).await;
    }
    let server = Server { node, raft, machine, ledger, bug };
    loop {
        let (stream, _) = listener.accept().await?;
        timeloop::spawn(serve_connection(server.clone(), stream));
    }
}

#[derive(Clone)]
struct Server {
    node: u64,
    raft: Raft<Types>,
    machine: Machine,
    ledger: Ledger,
    bug: Option<Bug>,
}

/// Answers requests until the connection ends.
async fn serve_connection(server: Server, mut stream: TcpStream) {
    while let Ok(request) = receive(&mut stream).await {
        let response = match request {
            Request::Append(rpc) => {
                let leader = *rpc.vote.leader_id();
                let answer = server.raft.append_entries(rpc).await;
                if matches!(answer, Ok(AppendEntriesResponse::Success)) {
                    server.ledger.record_leader(server.node, leader.term, leader.node_id);
                }
                Response::Append(answer)
            }
            Request::Vote(rpc) => Response::Vote(server.raft.vote(rpc).await),
            Request::Snapshot(rpc) => Response::Snapshot(server.raft.install_snapshot(rpc).await),
            Request::Client(command) => match command.operation {
                Operation::Read(register) => server.read(register).await,
                Operation::Write(..) | Operation::CompareAndSwap { .. } => server.write(command).await,
            },
        };
        if send(&mut stream, &response).await.is_err() {
            return;
        }
    }
}

impl Server {
    /// Writes through the log.
    async fn write(&self, command: Command) -> Response {
        match self.raft.client_write(command).await {
            Ok(response) => response.data.map_or(Response::NotLeader(None), Response::Done),
            Err(RaftError::APIError(ClientWriteError::ForwardToLeader(to))) => {
                Response::NotLeader(to.leader_id)
            }
            Err(_) => Response::NotLeader(None),
        }
    }

    /// Confirms with a majority that this node leads, and then reads its registers once they have applied the log up to that
    /// point. This replaces openraft's `ensure_linearizable`, which waits with `tokio::select!`.
    async fn read(&self, register: u8) -> Response {
        let after = if self.bug == Some(Bug::ReadsLocally) {
            match self.raft.current_leader().await {
                Some(leader) if leader == self.node => None,
                other => return Response::NotLeader(other),
            }
        } else {
            match self.raft.get_read_log_id().await {
                Ok((after, _)) => after,
                Err(RaftError::APIError(CheckIsLeaderError::ForwardToLeader(to))) => {
                    return Response::NotLeader(to.leader_id);
                }
                Err(_) => return Response::NotLeader(None),
            }
        };
        Response::Done(crate::Answer::Value(self.machine.read(register, after).await))
    }
}
