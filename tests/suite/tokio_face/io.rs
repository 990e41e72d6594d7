//! The standard streams.

use timeloop::io::{self, AsyncReadExt, AsyncWriteExt};

#[test]
fn e00_standard_input_is_empty_and_output_is_written() {
    timeloop::run(0, || async {
        let mut text = String::new();
        assert_eq!(io::stdin().read_to_string(&mut text).await.unwrap(), 0);
        io::stdout().write_all(b"").await.unwrap();
        io::stdout().flush().await.unwrap();
        io::stderr().write_all(b"").await.unwrap();
    })
    .unwrap();
}
