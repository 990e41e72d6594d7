//! A line protocol over any stream: the response to `ping` is `pong`, that to `sum 1 2 3` is `6`, and `bye` closes it.

use futures_util::{SinkExt, StreamExt as _};
use timeloop::io::{AsyncRead, AsyncWrite};
use timeloop::net::TcpListener;
use tokio_util::codec::{Framed, LinesCodec, LinesCodecError};
use tokio_util::sync::CancellationToken;

/// Answers lines until the end of the stream.
///
/// # Errors
/// Returns an error if the stream fails, or a line exceeds the codec's limit.
pub async fn answer<S>(mut lines: Framed<S, LinesCodec>) -> Result<(), LinesCodecError>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    while let Some(line) = lines.next().await {
        let line = line?;
        let mut words = line.split(' ');
        let answer = match words.next() {
            Some("ping") => "pong".to_owned(),
            Some("sum") => words.filter_map(|word| word.parse::<i64>().ok()).sum::<i64>().to_string(),
            Some("bye") => break,
            _ => "unknown command".to_owned(),
        };
        lines.send(answer).await?;
    }
    SinkExt::<String>::close(&mut lines).await
}

/// Serves connections until `stop` is cancelled, which also closes the open connections.
///
/// # Errors
/// Returns an error if the listener fails.
pub async fn serve(listener: TcpListener, stop: CancellationToken) -> std::io::Result<()> {
    // If the listener fails, the open connections are closed too.
    let _guard = stop.clone().drop_guard();
    while let Some(accepted) = stop.run_until_cancelled(listener.accept()).await {
        let (stream, _) = accepted?;
        let answering = answer(Framed::new(stream, LinesCodec::new_with_max_length(1_000)));
        let stop = stop.child_token();
        timeloop::spawn(async move { stop.run_until_cancelled(answering).await });
    }
    Ok(())
}
