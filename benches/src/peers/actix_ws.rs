//! actix-ws as its README has it, on actix-web with one worker.

use actix_web::{App, HttpRequest, HttpServer, Responder, rt, web};
use actix_ws::Message;

const LARGEST: usize = 16 * 1024 * 1024;

#[actix_web::main]
async fn main() -> std::io::Result<()> {
    let address = std::env::args().nth(1);
    let server = HttpServer::new(|| App::new().default_service(web::to(upgrade)))
        .workers(1)
        .bind(address.as_deref().unwrap_or("127.0.0.1:8080"))?;
    for address in server.addrs() {
        println!("listening on {address}");
    }
    server.run().await
}

async fn upgrade(request: HttpRequest, body: web::Payload) -> actix_web::Result<impl Responder> {
    let (response, mut session, stream) = actix_ws::handle(&request, body)?;
    let mut stream = stream.max_frame_size(LARGEST);
    rt::spawn(async move {
        while let Some(Ok(message)) = stream.recv().await {
            let sent = match message {
                Message::Binary(bytes) => session.binary(bytes).await,
                Message::Text(text) => session.text(text).await,
                Message::Ping(bytes) => session.pong(&bytes).await,
                Message::Close(reason) => {
                    let _ = session.close(reason).await;
                    return;
                }
                _ => Ok(()),
            };
            if sent.is_err() {
                return;
            }
        }
    });
    Ok(response)
}
