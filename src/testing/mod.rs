//! What tests of a connector need: connections in memory, a client that speaks in frames, and a peer that goes
//! silent. No port is opened, and with tokio's paused time no second passes.
//!
//! ```
//! use gustnado::testing::{Client, Frame};
//! use gustnado::{Conn, Handler, Message};
//!
//! # #[tokio::main(flavor = "current_thread", start_paused = true)]
//! # async fn main() {
//! let handler = Handler::on_message(|conn: Conn, message: Message| async move { Ok(conn.send(message).await?) });
//!
//! let mut client = Client::connect(&handler).await;
//! client.send("hello").await;
//! assert_eq!(client.message().await, Message::from("hello"));
//!
//! client.close(1000, "").await;
//! assert_eq!(client.next().await, Frame::close(1000, ""));
//! # }
//! ```
//!
//! With `#[tokio::test(start_paused = true)]` (feature `test-util` of tokio) time passes at once when every task waits:
//! half a minute until a ping, a minute until a dead peer is given up.
//!
//! ```
//! # use gustnado::{testing::{Client, Frame}, Echo, Handler};
//! # #[tokio::main(flavor = "current_thread", start_paused = true)]
//! # async fn main() {
//! let handler = Handler::new(|| Echo);
//! let mut client = Client::connect(&handler).await;
//! assert!(matches!(client.next().await, Frame::Ping(_)), "after 30 s");
//!
//! let half_open = client.half_open();
//! half_open.given_up().await; // after a minute without a byte
//! # }
//! ```
//!
//! Everything here panics when it sees what it did not expect, and says what it saw: it is for tests.

pub mod adapter;
mod answer;
mod client;
mod frame;
pub mod history;
mod opening;
mod serve;

pub use self::{
    answer::Answer,
    client::{Client, HalfOpen},
    frame::{Frame, fragment, frame},
    opening::Opening,
    serve::{PIPE, serve, serve_with_pipe},
};
