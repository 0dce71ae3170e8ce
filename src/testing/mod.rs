//! Helpers for tests (feature `testing`).

pub mod adapter;
pub mod history;
