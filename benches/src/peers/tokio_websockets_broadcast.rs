//! Fan-out on tokio-websockets, the fastest way we know there: a channel per connection, and one flush for all that has
//! gathered in it. Its documentation has no room; this is what one builds by hand.

mod listen;

use std::sync::{Arc, Mutex, PoisonError};

use futures_util::{SinkExt, StreamExt};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio_websockets::{Message, ServerBuilder};

type Room = Arc<Mutex<Vec<mpsc::UnboundedSender<Message>>>>;

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let listener = listen::listen().await?;
    let room = Room::default();
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        tokio::spawn(member(stream, room.clone()));
    }
}

async fn member(stream: TcpStream, room: Room) {
    let Ok((_request, server)) = ServerBuilder::new().accept(stream).await else { return };
    let (mut write, mut read) = server.split();
    let (sender, mut messages) = mpsc::unbounded_channel();
    room.lock().unwrap_or_else(PoisonError::into_inner).push(sender);
    let writer = tokio::spawn(async move {
        while let Some(message) = messages.recv().await {
            write.feed(message).await?;
            while let Ok(message) = messages.try_recv() {
                write.feed(message).await?;
            }
            write.flush().await?;
        }
        Ok::<_, tokio_websockets::Error>(())
    });
    while let Some(Ok(message)) = read.next().await {
        if message.is_binary() {
            room.lock()
                .unwrap_or_else(PoisonError::into_inner)
                .retain(|member| member.send(message.clone()).is_ok());
        }
    }
    writer.abort();
}
