//! RPC to other nodes: one call at a time, over a connection that is opened on demand.
//!
//! # Invariants
//! The connection of a cancelled call is not used again, so a response always belongs to its call.

use std::io;

use openraft::BasicNode;
use openraft::error::{InstallSnapshotError, NetworkError, RPCError, RaftError, RemoteError};
use openraft::network::{RPCOption, RaftNetwork, RaftNetworkFactory};
use openraft::raft::{
    AppendEntriesRequest, AppendEntriesResponse, InstallSnapshotRequest, InstallSnapshotResponse,
    VoteRequest, VoteResponse,
};
use timeloop::net::TcpStream;
use timeloop::time::{Duration, sleep};

use crate::Types;
use crate::wire::{Request, Response, receive, send};

/// The delay after a failed call. It replaces openraft's backoff for unreachable peers, which uses `tokio::select!`, whose
/// order the seed does not decide. So no peer is ever reported as unreachable.
const PAUSE: Duration = Duration::from_millis(20);

/// Creates [`Peer`]s.
#[derive(Debug)]
pub struct Peers;

/// The client of another node.
#[derive(Debug)]
pub struct Peer {
    node: u64,
    address: String,
    connection: Option<TcpStream>,
}

impl RaftNetworkFactory<Types> for Peers {
    type Network = Peer;

    async fn new_client(&mut self, node: u64, at: &BasicNode) -> Peer {
        Peer { node, address: at.addr.clone(), connection: None }
    }
}

impl Peer {
    async fn call(&mut self, request: Request) -> Result<Response, NetworkError> {
        match self.try_call(&request).await {
            Ok(response) => Ok(response),
            Err(error) => {
                sleep(PAUSE).await;
                Err(NetworkError::new(&error))
            }
        }
    }

    async fn try_call(&mut self, request: &Request) -> io::Result<Response> {
        // If the call is cancelled, the connection is dropped too.
        let mut connection = match self.connection.take() {
            Some(connection) => connection,
            None => TcpStream::connect(&self.address).await?,
        };
        send(&mut connection, request).await?;
        let response = receive(&mut connection).await?;
        self.connection = Some(connection);
        Ok(response)
    }

    /// Converts the response to openraft's result: the answer, or an error of the other node.
    #[expect(clippy::result_large_err, reason = "the error type is openraft's")]
    fn outcome<T, E: std::error::Error>(
        &self,
        answer: Option<Result<T, RaftError<u64, E>>>,
    ) -> Result<T, RPCError<u64, BasicNode, RaftError<u64, E>>> {
        match answer {
            Some(answer) => answer.map_err(|error| RPCError::RemoteError(RemoteError::new(self.node, error))),
            None => {
                let error = io::Error::new(io::ErrorKind::InvalidData, "the response has the wrong type");
                Err(RPCError::Network(NetworkError::new(&error)))
            }
        }
    }
}

type Outcome<T, E> = Result<T, RPCError<u64, BasicNode, E>>;

impl RaftNetwork<Types> for Peer {
    async fn append_entries(
        &mut self,
        rpc: AppendEntriesRequest<Types>,
        _: RPCOption,
    ) -> Outcome<AppendEntriesResponse<u64>, RaftError<u64>> {
        let response = self.call(Request::Append(rpc)).await?;
        self.outcome(if let Response::Append(answer) = response { Some(answer) } else { None })
    }

    async fn install_snapshot(
        &mut self,
        rpc: InstallSnapshotRequest<Types>,
        _: RPCOption,
    ) -> Outcome<InstallSnapshotResponse<u64>, RaftError<u64, InstallSnapshotError>> {
        let response = self.call(Request::Snapshot(rpc)).await?;
        self.outcome(if let Response::Snapshot(answer) = response { Some(answer) } else { None })
    }

    async fn vote(
        &mut self,
        rpc: VoteRequest<u64>,
        _: RPCOption,
    ) -> Outcome<VoteResponse<u64>, RaftError<u64>> {
        let response = self.call(Request::Vote(rpc)).await?;
        self.outcome(if let Response::Vote(answer) = response { Some(answer) } else { None })
    }
}
