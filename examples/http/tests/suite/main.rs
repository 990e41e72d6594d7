//! hyper, tower and tokio-util in a simulated world, a module per thing.

mod faults;
mod http1;
mod http2;
mod lines;
mod stack;
mod support;
mod twice;
