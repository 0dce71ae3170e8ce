//! ezsockets as the documentation of its server has it, on its tungstenite runner.

mod listen;

use std::net::SocketAddr;

use async_trait::async_trait;
use ezsockets::tungstenite::{Acceptor, run_on};
use ezsockets::{Bytes, CloseFrame, Error, Request, Server, Session, Socket, Utf8Bytes};

struct Echo {
    handle: Session<u16, ()>,
    id: u16,
}

#[async_trait]
impl ezsockets::SessionExt for Echo {
    type ID = u16;
    type Call = ();

    fn id(&self) -> &u16 {
        &self.id
    }

    async fn on_text(&mut self, text: Utf8Bytes) -> Result<(), Error> {
        self.handle.text(text)?;
        Ok(())
    }

    async fn on_binary(&mut self, bytes: Bytes) -> Result<(), Error> {
        self.handle.binary(bytes)?;
        Ok(())
    }

    async fn on_call(&mut self, (): ()) -> Result<(), Error> {
        Ok(())
    }
}

struct EchoServer;

#[async_trait]
impl ezsockets::ServerExt for EchoServer {
    type Session = Echo;
    type Call = ();

    async fn on_connect(
        &mut self,
        socket: Socket,
        _: Request,
        address: SocketAddr,
    ) -> Result<Session<u16, ()>, Option<CloseFrame>> {
        let id = address.port();
        Ok(Session::create(|handle| Echo { handle, id }, id, socket))
    }

    async fn on_disconnect(&mut self, _: u16, _: Result<Option<CloseFrame>, Error>) -> Result<(), Error> {
        Ok(())
    }

    async fn on_call(&mut self, (): ()) -> Result<(), Error> {
        Ok(())
    }
}

#[tokio::main]
async fn main() -> Result<(), Error> {
    let listener = listen::listen().await?;
    let (server, _) = Server::create(|_| EchoServer);
    run_on(server, listener, Acceptor::Plain).await
}
