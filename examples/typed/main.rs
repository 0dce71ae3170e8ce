//! Types from one place: what the server's commands take and return, as TypeScript and as AsyncAPI.
//!
//! `cargo run --example typed --features types -- [ADDRESS]` serves; `-- --typescript` and `-- --asyncapi` print what
//! stands in `types.ts` and `asyncapi.json` beside this file.

use std::time::Duration;

use gustnado::commands::{Command, Commands, ErrorReply, contract::Contract};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use ts_rs::TS;

/// Something to buy.
#[derive(Debug, Clone, Serialize, Deserialize, TS, JsonSchema)]
pub struct Item {
    name: String,
    /// How many, at least one.
    amount: u32,
    unit: Option<Unit>,
}

/// What it is measured in.
#[derive(Debug, Clone, Serialize, Deserialize, TS, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Unit {
    /// By weight.
    Grams,
    /// By volume.
    Litres,
}

/// What has become of the list.
#[derive(Serialize, TS, JsonSchema)]
pub struct Listed {
    /// How many things are on the list now.
    count: usize,
}

/// The commands, and what is written down about them.
pub fn contract() -> Contract<Vec<Item>> {
    Contract::new("Shopping list", "1.0.0", Commands::with_state(|_| Ok(Vec::new())))
        .on(
            "add",
            "Puts something on the list, and tells the others in the channel.",
            |mut ctx, item: Item| async move {
                if item.amount == 0 {
                    return Err(ErrorReply::new("nothing", "that is nothing"));
                }
                ctx.broadcast_others("added", &item).await?;
                ctx.state().push(item);
                Ok(Listed { count: ctx.state().len() })
            },
        )
        .on("clear", "Empties the list, if the client is sure.", |mut ctx, (): ()| async move {
            let count = ctx.state().len();
            let sure = ctx.conn().ask("sure", count, Duration::from_secs(30)).await?;
            if sure.param::<bool>().unwrap_or(false) {
                ctx.state().clear();
                ctx.conn().send_command(&Command::new("cleared", ())).await?;
            }
            Ok(())
        })
        .sends::<Item>("added", "Somebody else has put something on the list.")
        .sends::<()>("cleared", "The list is empty.")
        .asks::<usize, bool>("sure", "Whether so many things may be thrown away.")
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let argument = std::env::args().nth(1).unwrap_or("127.0.0.1:8080".into());
    match &*argument {
        "--typescript" => print!("{}", contract().typescript()),
        "--asyncapi" => println!("{:#}", contract().asyncapi("/")),
        address => serve(address).await?,
    }
    Ok(())
}

async fn serve(address: &str) -> std::io::Result<()> {
    let listener = tokio::net::TcpListener::bind(address).await?;
    println!("listening on {}", listener.local_addr()?);
    axum::serve(listener, axum::Router::new().fallback_service(contract().handler())).await
}
