//! Pipes.

use std::path::PathBuf;
use std::process::Command;

use super::common::{BROKEN_PIPE, NOT_FOUND, error, let_packets_arrive, waits};
use super::world::io::{AsyncReadExt, AsyncWriteExt, ErrorKind, Interest};
use super::world::net::unix::pipe::{self, OpenOptions, Receiver, Sender};
use super::world::{run, spawn};

/// A named pipe, whose file is removed at the end.
struct Fifo(PathBuf);

impl Fifo {
    fn new() -> Self {
        use std::sync::atomic::{AtomicU32, Ordering};
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let module = module_path!().len();
        let path = std::env::temp_dir().join(format!("timeloop-{module}-{}-{number}", std::process::id()));
        assert!(Command::new("mkfifo").arg(&path).status().unwrap().success());
        Self(path)
    }
}

impl Drop for Fifo {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

#[test]
fn bytes_arrive_in_order_and_then_the_end() {
    run(|| async {
        let (mut sender, mut receiver) = pipe::pipe().unwrap();
        let reads = spawn(async move {
            let mut text = String::new();
            receiver.read_to_string(&mut text).await.unwrap();
            text
        });
        sender.write_all(b"hello ").await.unwrap();
        sender.write_all(b"world").await.unwrap();
        drop(sender);
        assert_eq!(reads.await.unwrap(), "hello world");
    });
}

#[test]
fn a_writer_waits_while_the_pipe_is_full() {
    run(|| async {
        let (mut sender, mut receiver) = pipe::pipe().unwrap();
        let much = vec![7; 300_000];
        let writes = spawn(async move { sender.write_all(&much).await });
        let_packets_arrive().await;
        assert!(!writes.is_finished());
        let mut bytes = Vec::new();
        receiver.read_to_end(&mut bytes).await.unwrap();
        writes.await.unwrap().unwrap();
        assert_eq!(bytes, vec![7; 300_000]);
    });
}

#[test]
fn writing_to_nobody_fails() {
    run(|| async {
        let (mut sender, receiver) = pipe::pipe().unwrap();
        drop(receiver);
        let ready = sender.ready(Interest::WRITABLE).await.unwrap();
        assert!(ready.is_writable() && ready.is_write_closed());
        assert_eq!(error(sender.write_all(b"x").await), BROKEN_PIPE);
        assert_eq!(error(sender.try_write(b"x")), BROKEN_PIPE);
    });
}

#[test]
fn an_end_stays_ready_until_an_operation_would_block() {
    run(|| async {
        let (sender, receiver) = pipe::pipe().unwrap();
        assert!(waits(receiver.readable()).await);
        let mut written = 0;
        loop {
            sender.writable().await.unwrap();
            match sender.try_write(&[0; 3_000]) {
                Ok(count) => written += count,
                Err(error) => break assert_eq!(error.kind(), ErrorKind::WouldBlock),
            }
        }
        assert!(written >= 4_096, "{written}");
        assert!(waits(sender.writable()).await);
        let mut bytes = [0; 1_000];
        while written > 0 {
            receiver.readable().await.unwrap();
            written -= receiver.try_read(&mut bytes).unwrap();
        }
        receiver.readable().await.unwrap();
        assert_eq!(receiver.try_read(&mut bytes).unwrap_err().kind(), ErrorKind::WouldBlock);
        assert!(waits(receiver.readable()).await);
        sender.writable().await.unwrap();
        assert_eq!(sender.try_write(b"x").unwrap(), 1);
    });
}

#[test]
fn a_closure_that_would_block_ends_the_readiness() {
    run(|| async {
        let (sender, receiver) = pipe::pipe().unwrap();
        sender.writable().await.unwrap();
        assert_eq!(sender.try_io(|| Ok(7)).unwrap(), 7);
        let would_block = || Err::<(), _>(ErrorKind::WouldBlock.into());
        assert_eq!(sender.try_write(b"x").unwrap(), 1);
        receiver.readable().await.unwrap();
        assert!(receiver.try_io(would_block).is_err());
        assert_eq!(receiver.try_read(&mut [0; 8]).unwrap_err().kind(), ErrorKind::WouldBlock);
        assert_eq!(sender.try_write(b"y").unwrap(), 1);
        receiver.readable().await.unwrap();
        assert_eq!(receiver.try_read(&mut [0; 8]).unwrap(), 2);
    });
}

#[test]
fn vectored_reads_and_growing_buffers() {
    run(|| async {
        use std::io::{IoSlice, IoSliceMut};
        let (sender, receiver) = pipe::pipe().unwrap();
        sender.writable().await.unwrap();
        assert_eq!(sender.try_write_vectored(&[IoSlice::new(b"he"), IoSlice::new(b"llo wor")]).unwrap(), 9);
        receiver.readable().await.unwrap();
        let (mut one, mut other) = ([0; 3], [0; 2]);
        let mut parts = [IoSliceMut::new(&mut one), IoSliceMut::new(&mut other)];
        assert_eq!(receiver.try_read_vectored(&mut parts).unwrap(), 5);
        assert_eq!((&one, &other), (b"hel", b"lo"));
        let mut bytes = Vec::with_capacity(16);
        assert_eq!(receiver.try_read_buf(&mut bytes).unwrap(), 4);
        assert_eq!(bytes, b" wor");
    });
}

#[test]
fn a_named_pipe_connects_its_ends() {
    run(|| async {
        let fifo = Fifo::new();
        assert_eq!(error(OpenOptions::new().open_sender(&fifo.0)), "No such device or address (os error 6)");
        let mut receiver = OpenOptions::new().open_receiver(&fifo.0).unwrap();
        for text in ["one", "two"] {
            let mut sender = OpenOptions::new().open_sender(&fifo.0).unwrap();
            sender.write_all(text.as_bytes()).await.unwrap();
            drop(sender);
            let mut read = String::new();
            receiver.read_to_string(&mut read).await.unwrap();
            assert_eq!(read, text);
        }
        let missing = fifo.0.with_extension("missing");
        assert_eq!(error(OpenOptions::new().open_receiver(&missing)), NOT_FOUND);
        let file = error(OpenOptions::new().open_receiver("/proc/self/status"));
        assert_eq!(file, "not a pipe");
    });
}

#[cfg(target_os = "linux")]
#[test]
fn a_reader_that_also_writes_never_sees_the_end() {
    run(|| async {
        let fifo = Fifo::new();
        let mut receiver = OpenOptions::new().read_write(true).open_receiver(&fifo.0).unwrap();
        let mut sender = OpenOptions::new().open_sender(&fifo.0).unwrap();
        sender.write_all(b"hello").await.unwrap();
        drop(sender);
        receiver.read_exact(&mut [0; 5]).await.unwrap();
        assert!(waits(receiver.read_u8()).await);
    });
}

#[cfg(target_os = "linux")]
#[test]
fn ends_are_made_of_descriptors_and_converted_back() {
    run(|| async {
        let (reads, writes) = std::io::pipe().unwrap();
        let mut sender = Sender::from_owned_fd(writes.into()).unwrap();
        let mut receiver = Receiver::from_owned_fd(reads.into()).unwrap();
        sender.write_all(b"hello").await.unwrap();
        receiver.read_exact(&mut [0; 5]).await.unwrap();
        let sender = Sender::from_owned_fd(sender.into_blocking_fd().unwrap()).unwrap();
        assert_eq!(
            error(Receiver::from_owned_fd(sender.into_nonblocking_fd().unwrap())),
            "not in O_RDONLY or O_RDWR access mode"
        );
        let file = std::fs::File::open("/proc/self/status").unwrap();
        assert_eq!(error(Receiver::from_file(file)), "not a pipe");
    });
}
