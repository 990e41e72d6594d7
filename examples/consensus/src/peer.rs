//! RPC to the other nodes, as openraft wants it: one call at a time, over a connection that is made when it is needed.
//!
//! Always true: a connection on which a call was given up is not used again, so no answer is taken for another call's.

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

/// After a failure, so long until the next call. (openraft has a backoff of its own, for peers that are said to be
/// unreachable; it uses `tokio::select!`, whose order no seed decides, so no peer is ever said to be.)
const PAUSE: Duration = Duration::from_millis(20);

/// Makes [`Peer`]s.
#[derive(Debug)]
pub struct Peers;

/// Another node.
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
        // If this is dropped halfway, so is the connection.
        let mut connection = match self.connection.take() {
            Some(connection) => connection,
            None => TcpStream::connect(&self.address).await?,
        };
        send(&mut connection, request).await?;
        let response = receive(&mut connection).await?;
        self.connection = Some(connection);
        Ok(response)
    }

    /// What came of a call: openraft's own answer, or an error of the other node's.
    #[expect(clippy::result_large_err, reason = "openraft's own")]
    fn outcome<T, E: std::error::Error>(
        &self,
        answer: Option<Result<T, RaftError<u64, E>>>,
    ) -> Result<T, RPCError<u64, BasicNode, RaftError<u64, E>>> {
        match answer {
            Some(answer) => answer.map_err(|error| RPCError::RemoteError(RemoteError::new(self.node, error))),
            None => {
                let error = io::Error::new(io::ErrorKind::InvalidData, "an answer to another question");
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
