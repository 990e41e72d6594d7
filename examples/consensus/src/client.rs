//! A client: sends one operation after the other, each with retries until a leader answers or the operation times out.
//!
//! # Invariants
//! A retried operation keeps its number. An operation without an answer may have taken effect or not.

use std::cell::Cell;
use std::io;
use std::rc::Rc;

use rand::RngExt;
use timeloop::history::Recorder;
use timeloop::history::models::{KeyValueOperation, KeyValueReturned};
use timeloop::net::TcpStream;
use timeloop::time::{Duration, Instant, sleep, timeout, timeout_at};

use crate::wire::{PORT, Request, Response, receive, send};
use crate::{Answer, Command, Operation, name_of};

/// The operations of the clients and their results.
pub type History = Recorder<KeyValueOperation<u8, u32>, KeyValueReturned<u32>>;

/// The time limit of an attempt at one node.
const ATTEMPT_LIMIT: Duration = Duration::from_millis(300);
/// The time limit of an operation.
const OPERATION_LIMIT: Duration = Duration::from_secs(2);
/// The delay after a failed attempt.
const PAUSE: Duration = Duration::from_millis(20);
/// The maximum delay between two operations.
const THINK_TIME_MS_MAX: u64 = 200;
/// The number of registers.
const REGISTERS: u8 = 3;

/// A client and its state.
#[derive(Debug)]
pub struct Client {
    number: u32,
    nodes: u64,
    history: History,
    done: Rc<Cell<u32>>,
    last_number: u32,
    /// The last known leader.
    leader: u64,
    connection: Option<(u64, TcpStream)>,
    /// The last known value of each register.
    known: [Option<u32>; REGISTERS as usize],
}

impl Client {
    /// Creates a client of a cluster with `nodes` nodes. It counts its answered operations in `done`.
    #[must_use]
    pub fn new(number: u32, nodes: u64, history: History, done: Rc<Cell<u32>>) -> Self {
        let known = [None; REGISTERS as usize];
        Self { number, nodes, history, done, last_number: 0, leader: 1, connection: None, known }
    }

    /// Performs operations in an endless loop.
    pub async fn run(mut self) {
        loop {
            let think_ms = timeloop::rng().random_range(0..THINK_TIME_MS_MAX);
            sleep(Duration::from_millis(think_ms)).await;
            let operation = self.choose();
            self.perform(operation).await;
        }
    }

    /// Chooses the next operation: reads or writes with equal probability. Each write has a new value.
    fn choose(&mut self) -> Operation {
        self.last_number += 1;
        let value = self.number * 10_000 + self.last_number;
        let register = timeloop::rng().random_range(0..REGISTERS);
        match timeloop::rng().random_range(0..6) {
            0..3 => Operation::Read(register),
            3..5 => Operation::Write(register, value),
            _ => {
                let expected = self.known[usize::from(register)];
                Operation::CompareAndSwap { register, expected, new: value }
            }
        }
    }

    async fn perform(&mut self, operation: Operation) {
        let call = self.history.call(self.number, history_operation(&operation));
        let command = Command { client: self.number, number: self.last_number, operation };
        match timeout(OPERATION_LIMIT, self.attempts(&command)).await {
            Ok(answer) => {
                self.learn(&command.operation, &answer);
                self.done.set(self.done.get() + 1);
                call.returned(history_result(&answer));
            }
            // Nobody sees the value of a read without an answer.
            Err(_) if matches!(command.operation, Operation::Read(_)) => call.forget(),
            // The operation may still take effect, so `call` never returns.
            Err(_) => {}
        }
    }

    async fn attempts(&mut self, command: &Command) -> Answer {
        loop {
            match timeout_at(Instant::now() + ATTEMPT_LIMIT, self.attempt(command)).await {
                Ok(Ok(Response::Done(answer))) => return answer,
                Ok(Ok(Response::NotLeader(Some(leader)))) if leader != self.leader => self.leader = leader,
                // The leader is unknown, so tries the next node.
                _ => self.leader = self.leader % self.nodes + 1,
            }
            sleep(PAUSE).await;
        }
    }

    async fn attempt(&mut self, command: &Command) -> io::Result<Response> {
        let mut connection = match self.connection.take() {
            Some((node, connection)) if node == self.leader => connection,
            _ => TcpStream::connect((name_of(self.leader), PORT)).await?,
        };
        send(&mut connection, &Request::Client(command.clone())).await?;
        let response = receive(&mut connection).await?;
        self.connection = Some((self.leader, connection));
        Ok(response)
    }

    fn learn(&mut self, operation: &Operation, answer: &Answer) {
        let (register, value) = match (operation, answer) {
            (Operation::Read(register), Answer::Value(value)) => (register, *value),
            (Operation::Write(register, value), _) => (register, Some(*value)),
            (Operation::CompareAndSwap { register, new, .. }, Answer::Swapped(true)) => {
                (register, Some(*new))
            }
            _ => return,
        };
        self.known[usize::from(*register)] = value;
    }
}

/// Converts an operation for the history.
fn history_operation(operation: &Operation) -> KeyValueOperation<u8, u32> {
    match *operation {
        Operation::Read(register) => KeyValueOperation::Get(register),
        Operation::Write(register, value) => KeyValueOperation::Put(register, value),
        Operation::CompareAndSwap { register, expected, new } => {
            KeyValueOperation::CompareAndSwap { key: register, expected, new: Some(new) }
        }
    }
}

/// Converts an answer for the history.
fn history_result(answer: &Answer) -> KeyValueReturned<u32> {
    match *answer {
        Answer::Value(value) => KeyValueReturned::Value(value),
        Answer::Written => KeyValueReturned::Done,
        Answer::Swapped(swapped) => KeyValueReturned::Swapped(swapped),
    }
}
