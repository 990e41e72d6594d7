//! A protocol of lines, over any stream: `ping` is answered by `pong`, `sum 1 2 3` by `6`, `bye` by the end.

use futures_util::{SinkExt, StreamExt as _};
use timeloop::io::{AsyncRead, AsyncWrite};
use timeloop::net::TcpListener;
use tokio_util::codec::{Framed, LinesCodec, LinesCodecError};
use tokio_util::sync::CancellationToken;

/// Answers lines until there are no more.
///
/// # Errors
/// When the stream fails, or a line is longer than the codec allows.
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
            _ => "what?".to_owned(),
        };
        lines.send(answer).await?;
    }
    SinkExt::<String>::close(&mut lines).await
}

/// Answers whoever connects, until it is told to stop; then those who are connected are let go too.
///
/// # Errors
/// When the listener fails.
pub async fn serve(listener: TcpListener, stop: CancellationToken) -> std::io::Result<()> {
    // Where the listener fails, all else stops with it.
    let _guard = stop.clone().drop_guard();
    while let Some(accepted) = stop.run_until_cancelled(listener.accept()).await {
        let (stream, _) = accepted?;
        let answering = answer(Framed::new(stream, LinesCodec::new_with_max_length(1_000)));
        let stop = stop.child_token();
        timeloop::spawn(async move { stop.run_until_cancelled(answering).await });
    }
    Ok(())
}
