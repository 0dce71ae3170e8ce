//! What stands in the place of `compression.rs` without the feature `deflate`: a table without keys.

use serde::Deserialize;

use crate::handler::Handler;

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct CompressionSettings {}

impl CompressionSettings {
    pub(super) fn apply<F>(&self, handler: Handler<F>) -> Handler<F> {
        handler
    }
}
