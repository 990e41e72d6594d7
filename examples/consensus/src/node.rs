//! A server: openraft with our store, registers and network, and a port that peers and clients talk to.
//!
//! Always true: a node that starts knows what is on its disk, and nothing else.

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

/// openraft's settings: its own, but for how often it makes snapshots, so that a short run has some.
#[must_use]
pub fn config() -> Arc<Config> {
    let config = Config {
        heartbeat_interval: 50,
        election_timeout_min: 150,
        election_timeout_max: 300,
        snapshot_policy: SnapshotPolicy::LogsSinceLast(50),
        // The defaults are what a command line without arguments comes to: asked for once a program, and not here.
        ..BASE.with(Config::clone)
    };
    Arc::new(config)
}

thread_local! {
    static BASE: Config = Config::default();
}

/// Runs a node of a cluster of so many.
///
/// # Errors
/// When it cannot listen.
pub async fn serve(
    node: u64,
    nodes: u64,
    disk: Disk,
    config: Arc<Config>,
    ledger: Ledger,
    bug: Option<Bug>,
) -> io::Result<()> {
    let (slots, lost) = disk.mount();
    ledger.starts(node, &lost);
    let store = Store::open(disk.clone(), &slots, bug);
    let machine = Machine::open(node, disk, &slots, ledger.clone());
    let raft = Raft::new(node, config, Peers, store, machine.clone()).await.map_err(io::Error::other)?;

    let listener = TcpListener::bind(("0.0.0.0", PORT)).await?;
    if node == 1 {
        let members: BTreeMap<u64, BasicNode> =
            (1..=nodes).map(|node| (node, BasicNode::new(format!("{}:{PORT}", name_of(node))))).collect();
        // It is refused where that has been done: the node has been started before.
        let _ = raft.initialize(members).await;
    }
    let server = Server { node, raft, machine, ledger, bug };
    loop {
        let (stream, _) = listener.accept().await?;
        timeloop::spawn(connection(server.clone(), stream));
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

/// Answers one request after the other, until the connection is gone.
async fn connection(server: Server, mut stream: TcpStream) {
    while let Ok(request) = receive(&mut stream).await {
        let response = match request {
            Request::Append(rpc) => {
                let leader = *rpc.vote.leader_id();
                let answer = server.raft.append_entries(rpc).await;
                if matches!(answer, Ok(AppendEntriesResponse::Success)) {
                    server.ledger.leads(server.node, leader.term, leader.node_id);
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
    /// Through the log.
    async fn write(&self, command: Command) -> Response {
        match self.raft.client_write(command).await {
            Ok(response) => response.data.map_or(Response::NotHere(None), Response::Done),
            Err(RaftError::APIError(ClientWriteError::ForwardToLeader(to))) => {
                Response::NotHere(to.leader_id)
            }
            Err(_) => Response::NotHere(None),
        }
    }

    /// A majority says that this node leads; then its registers are read, once they are as far as the log was. (That is
    /// openraft's `ensure_linearizable`, whose way of waiting uses `tokio::select!`.)
    async fn read(&self, register: u8) -> Response {
        let after = if self.bug == Some(Bug::ReadsLocally) {
            match self.raft.current_leader().await {
                Some(leader) if leader == self.node => None,
                other => return Response::NotHere(other),
            }
        } else {
            match self.raft.get_read_log_id().await {
                Ok((after, _)) => after,
                Err(RaftError::APIError(CheckIsLeaderError::ForwardToLeader(to))) => {
                    return Response::NotHere(to.leader_id);
                }
                Err(_) => return Response::NotHere(None),
            }
        };
        Response::Done(crate::Answer::Value(self.machine.read(register, after).await))
    }
}
