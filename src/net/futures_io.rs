//! Implements the `futures-io` traits for streams and their halves (feature `futures-io`).
//!
//! Each method calls its tokio counterpart; `poll_close` calls `poll_shutdown`.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use crate::io::{AsyncRead, AsyncWrite, ReadBuf};

macro_rules! reads {
    ($($type:ty),+) => {$(
        impl futures_io::AsyncRead for $type {
            fn poll_read(
                self: Pin<&mut Self>,
                cx: &mut Context<'_>,
                buf: &mut [u8],
            ) -> Poll<io::Result<usize>> {
                let mut buf = ReadBuf::new(buf);
                ready!(AsyncRead::poll_read(self, cx, &mut buf))?;
                Poll::Ready(Ok(buf.filled().len()))
            }
        }
    )+};
}

macro_rules! writes {
    ($($type:ty),+) => {$(
        impl futures_io::AsyncWrite for $type {
            fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
                AsyncWrite::poll_write(self, cx, buf)
            }

            fn poll_write_vectored(
                self: Pin<&mut Self>,
                cx: &mut Context<'_>,
                bufs: &[IoSlice<'_>],
            ) -> Poll<io::Result<usize>> {
                AsyncWrite::poll_write_vectored(self, cx, bufs)
            }

            fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
                AsyncWrite::poll_flush(self, cx)
            }

            fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
                AsyncWrite::poll_shutdown(self, cx)
            }
        }
    )+};
}

reads!(super::TcpStream, super::tcp::ReadHalf<'_>, super::tcp::OwnedReadHalf);
writes!(super::TcpStream, super::tcp::WriteHalf<'_>, super::tcp::OwnedWriteHalf);
#[cfg(unix)]
reads!(super::UnixStream, super::unix::ReadHalf<'_>, super::unix::OwnedReadHalf);
#[cfg(unix)]
writes!(super::UnixStream, super::unix::WriteHalf<'_>, super::unix::OwnedWriteHalf);

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::io::IoSlice;
    use std::pin::Pin;

    use futures_io::{AsyncRead, AsyncWrite};

    use crate::net::{TcpListener, TcpStream};

    async fn write(mut to: impl AsyncWrite + Unpin, text: &str) {
        let (one, other) = text.as_bytes().split_at(2);
        let slices = [IoSlice::new(one), IoSlice::new(other)];
        let count = poll_fn(|cx| Pin::new(&mut to).poll_write_vectored(cx, &slices)).await.unwrap();
        assert_eq!(count, text.len());
        assert_eq!(poll_fn(|cx| Pin::new(&mut to).poll_write(cx, b"!")).await.unwrap(), 1);
        poll_fn(|cx| Pin::new(&mut to).poll_flush(cx)).await.unwrap();
        poll_fn(|cx| Pin::new(&mut to).poll_close(cx)).await.unwrap();
    }

    /// Reads to the end, at most three bytes at a time.
    async fn read(mut from: impl AsyncRead + Unpin) -> String {
        let (mut text, mut bytes) = (String::new(), [0; 3]);
        loop {
            match poll_fn(|cx| Pin::new(&mut from).poll_read(cx, &mut bytes)).await.unwrap() {
                0 => return text,
                count => text += std::str::from_utf8(&bytes[..count]).unwrap(),
            }
        }
    }

    #[test]
    fn streams_and_halves_speak_futures_io() {
        crate::run(1, || async {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let mut client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
            let (server, _) = listener.accept().await.unwrap();
            write(&mut client, "hello").await;
            let (reads, writes) = server.into_split();
            assert_eq!(read(reads).await, "hello!");
            write(writes, "good bye").await;
            let (reads, _writes) = client.split();
            assert_eq!(read(reads).await, "good bye!");
        })
        .unwrap();
    }

    #[cfg(unix)]
    #[test]
    fn and_so_do_those_within_a_host() {
        crate::run(1, || async {
            let (mut one, other) = crate::net::UnixStream::pair().unwrap();
            let (reads, writes) = other.into_split();
            write(writes, "hello").await;
            assert_eq!(read(&mut one).await, "hello!");
            write(one.split().1, "good bye").await;
            assert_eq!(read(reads).await, "good bye!");
        })
        .unwrap();
    }
}
