//! Every knob from a file, or from variables such as `GUSTNADO_MAX_MESSAGE_SIZE` with `env` in its place.
//!
//! `cargo run --example configured --features config -- [ADDRESS] [FILE.toml | FILE.yaml | env]`

use std::{error::Error, path::Path};

use gustnado::{Handler, settings::Settings};
use serde::Deserialize;

/// An application's own file, in which one section is Gustnado's.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    websocket: Settings,
}

const DEFAULT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/configured/gustnado.toml");

fn load(name: &str) -> Result<Settings, Box<dyn Error>> {
    if name == "env" {
        return Ok(Settings::from_env("GUSTNADO")?);
    }
    let content = std::fs::read_to_string(name)?;
    let file: File = match Path::new(name).extension().and_then(|extension| extension.to_str()) {
        Some("toml") => toml::from_str(&content)?,
        Some("yaml" | "yml") => yaml_serde::from_str(&content)?,
        _ => return Err("neither a .toml nor a .yaml".into()),
    };
    Ok(file.websocket)
}

async fn serve(address: &str, file: &str) -> Result<(), Box<dyn Error>> {
    let settings = load(file)?;
    let echo = Handler::on_message(|conn, message| async move { Ok(conn.send(message).await?) });
    let echo = settings.apply(echo)?.hub(&settings.hub()?);

    let listener = tokio::net::TcpListener::bind(address).await?;
    println!("listening on {}", listener.local_addr()?);
    axum::serve(listener, axum::Router::new().fallback_service(echo)).await?;
    Ok(())
}

#[tokio::main]
async fn main() -> std::process::ExitCode {
    let mut arguments = std::env::args().skip(1);
    let address = arguments.next().unwrap_or("127.0.0.1:8080".into());
    let file = arguments.next().unwrap_or(DEFAULT.into());
    match serve(&address, &file).await {
        Ok(()) => std::process::ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{file}: {error}");
            std::process::ExitCode::FAILURE
        }
    }
}
