//! Tells a bad day of the store, twice: the bytes on the wire are the same.

fn main() {}
