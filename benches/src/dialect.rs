//! How one workload speaks with one server: protocol, transport, and what a message is.

use std::sync::Arc;

use rustls::ClientConfig;

use crate::server::Protocol;
use crate::workload::{Content, Kind};

/// What every connection of a sample has in common.
#[derive(Debug, Clone)]
pub struct Dialect {
    /// What the server speaks.
    pub protocol: Protocol,
    /// What one message is.
    pub content: Content,
    /// Whom to trust, where TLS is spoken.
    pub tls: Option<Arc<ClientConfig>>,
    /// What is offered about compression, if anything.
    pub deflate: Option<Deflate>,
}

/// What is offered about compression.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deflate {
    /// Each message by itself.
    Alone,
    /// With what was sent before for a dictionary.
    Takeover,
}

impl Dialect {
    /// For a workload of this kind; `trust` is taken where it speaks TLS.
    pub fn new(protocol: Protocol, kind: Kind, content: Content, trust: &Arc<ClientConfig>) -> Self {
        let deflate = match kind {
            Kind::Deflate | Kind::DeflateFanout => Some(Deflate::Alone),
            Kind::DeflateTakeover => Some(Deflate::Takeover),
            _ => None,
        };
        Self { protocol, content, tls: (kind == Kind::Tls).then(|| trust.clone()), deflate }
    }

    /// The line of the opening request that offers compression.
    pub fn offer(&self) -> &'static str {
        match self.deflate {
            None => "",
            Some(Deflate::Alone) => {
                "Sec-WebSocket-Extensions: permessage-deflate; server_no_context_takeover; \
                 client_no_context_takeover\r\n"
            }
            Some(Deflate::Takeover) => "Sec-WebSocket-Extensions: permessage-deflate\r\n",
        }
    }
}
