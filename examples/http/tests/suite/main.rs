//! Tests of hyper, tower and tokio-util in a simulated world.

mod faults;
mod http1;
mod http2;
mod lines;
mod repeat;
mod stack;
mod support;
