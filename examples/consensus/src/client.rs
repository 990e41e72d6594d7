//! A client: one operation after the other, each sent again until a leader has answered it or patience is at its end.
//!
//! Always true: an operation has one number, however often it is sent; one without an answer may have taken effect or not.

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

/// What clients asked for and were told.
pub type History = Recorder<KeyValueOperation<u8, u32>, KeyValueReturned<u32>>;

/// How long one node is waited for.
const ATTEMPT: Duration = Duration::from_millis(300);
/// How long an operation is tried.
const PATIENCE: Duration = Duration::from_secs(2);
/// After an attempt that came to nothing.
const PAUSE: Duration = Duration::from_millis(20);
/// Between two operations, at most.
const THINKS_MS_MAX: u64 = 200;
/// How many registers there are.
const REGISTERS: u8 = 3;

/// A client, and how far it is.
#[derive(Debug)]
pub struct Client {
    number: u32,
    nodes: u64,
    history: History,
    done: Rc<Cell<u32>>,
    asked: u32,
    /// Who was the leader the last time.
    leader: u64,
    connection: Option<(u64, TcpStream)>,
    /// What each register held when this client last heard of it.
    known: [Option<u32>; REGISTERS as usize],
}

impl Client {
    /// A client of so many nodes, which counts in `done` what it was answered.
    #[must_use]
    pub fn new(number: u32, nodes: u64, history: History, done: Rc<Cell<u32>>) -> Self {
        let known = [None; REGISTERS as usize];
        Self { number, nodes, history, done, asked: 0, leader: 1, connection: None, known }
    }

    /// Asks for one thing after the other, on and on.
    pub async fn run(mut self) {
        loop {
            let think_ms = timeloop::rng().random_range(0..THINKS_MS_MAX);
            sleep(Duration::from_millis(think_ms)).await;
            let operation = self.choose();
            self.perform(operation).await;
        }
    }

    /// As often as not to read; else to write something that nobody has written before.
    fn choose(&mut self) -> Operation {
        self.asked += 1;
        let value = self.number * 10_000 + self.asked;
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
        let call = self.history.call(self.number, asked(&operation));
        let command = Command { client: self.number, number: self.asked, operation };
        match timeout(PATIENCE, self.attempts(&command)).await {
            Ok(answer) => {
                self.learn(&command.operation, &answer);
                self.done.set(self.done.get() + 1);
                call.returned(told(&answer));
            }
            // What it reads is seen by nobody.
            Err(_) if matches!(command.operation, Operation::Read(_)) => call.forget(),
            // It may take effect yet, at any time: `call` never returns.
            Err(_) => {}
        }
    }

    async fn attempts(&mut self, command: &Command) -> Answer {
        loop {
            match timeout_at(Instant::now() + ATTEMPT, self.attempt(command)).await {
                Ok(Ok(Response::Done(answer))) => return answer,
                Ok(Ok(Response::NotHere(Some(leader)))) if leader != self.leader => self.leader = leader,
                // Who knows? The next one, perhaps.
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

/// The operation, as the history has it.
fn asked(operation: &Operation) -> KeyValueOperation<u8, u32> {
    match *operation {
        Operation::Read(register) => KeyValueOperation::Get(register),
        Operation::Write(register, value) => KeyValueOperation::Put(register, value),
        Operation::CompareAndSwap { register, expected, new } => {
            KeyValueOperation::CompareAndSwap { key: register, expected, new: Some(new) }
        }
    }
}

fn told(answer: &Answer) -> KeyValueReturned<u32> {
    match *answer {
        Answer::Value(value) => KeyValueReturned::Value(value),
        Answer::Written => KeyValueReturned::Done,
        Answer::Swapped(swapped) => KeyValueReturned::Swapped(swapped),
    }
}
