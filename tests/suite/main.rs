//! timeloop's promises, a module per behaviour.

mod smoke;
