//! x
mod protocol;
pub use protocol::{close::*, error::*, handshake::*, message::*, origin::*, text::*};
