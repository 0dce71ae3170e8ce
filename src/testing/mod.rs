//! Helpers for tests (feature `testing`).

pub mod history;
