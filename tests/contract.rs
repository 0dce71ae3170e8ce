//! Commands whose types are written down: what is written, and that the example's files in the tree are just that.

use std::{collections::HashMap, fs, path::Path};

use gustnado::commands::{Commands, contract::Contract};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use ts_rs::TS;

#[path = "../examples/typed/main.rs"]
#[allow(dead_code, unreachable_pub, reason = "an example is a program")]
mod typed;

#[derive(Serialize, Deserialize, TS, JsonSchema)]
struct Point {
    x: i64,
    y: f32,
}

#[derive(Serialize, Deserialize, TS, JsonSchema)]
struct Tree {
    value: Point,
    children: Vec<Tree>,
}

fn drawing() -> Contract {
    Contract::new("Drawing", "2.1.0", Commands::new())
        .on("grow-tree", "Grows */ a tree.", |_, tree: Tree| async move { Ok(tree.value) })
        .sends::<HashMap<String, Point>>("points", "All points.")
        .asks::<(), Option<Point>>("where", "Where the pointer is.")
}

#[test]
fn each_type_is_declared_once_with_all_that_it_is_made_of() {
    let file = drawing().typescript();
    assert_eq!(file.matches("export type Point = { x: number, y: number, };").count(), 1, "{file}");
    assert_eq!(
        file.matches("export type Tree = { value: Point, children: Array<Tree>, };").count(),
        1,
        "{file}"
    );
}

#[test]
fn the_interface_names_commands_events_and_requests() {
    let file = drawing().typescript();
    assert!(file.contains("    \"grow-tree\": { param: Tree; reply: Point };"), "{file}");
    assert!(file.contains("    where: { param: null; reply: Point | null };"), "{file}");
    assert!(file.contains("    points: { [key in string]: Point };"), "{file}");
    assert!(
        file.contains("/** Grows * / a tree. */"),
        "what is said about a command is a comment, whatever it says"
    );
}

#[test]
fn a_document_has_an_operation_for_each_and_the_schema_of_its_frame() {
    let document = drawing().asyncapi("/draw");
    assert_eq!(document["channels"]["connection"]["address"], "/draw");
    let grow = &document["operations"]["command.grow-tree"];
    assert_eq!(grow["action"], "receive");
    assert_eq!(
        grow["reply"]["messages"],
        json!([{ "$ref": "#/channels/connection/messages/reply.command.grow-tree" }])
    );
    let frame = &document["components"]["messages"]["command.grow-tree"]["payload"];
    assert_eq!(frame["properties"]["cmd"], json!({ "const": "grow-tree" }));
    assert_eq!(frame["properties"]["param"], json!({ "$ref": "#/components/schemas/Tree" }));
    assert_eq!(document["operations"]["event.points"]["action"], "send");
}

#[test]
fn every_reference_of_a_document_leads_somewhere() {
    let document = drawing().asyncapi("/draw");
    let mut references = 0;
    follow(&document, &document, &mut references);
    assert!(references > 10, "{references}");
}

fn follow(value: &Value, document: &Value, references: &mut usize) {
    match value {
        Value::Object(object) => {
            if let Some(Value::String(target)) = object.get("$ref") {
                assert!(document.pointer(&target[1..]).is_some(), "{target}");
                *references += 1;
            }
            object.values().for_each(|value| follow(value, document, references));
        }
        Value::Array(array) => array.iter().for_each(|value| follow(value, document, references)),
        _ => {}
    }
}

#[test]
#[should_panic(expected = "in the contract already")]
fn a_command_is_in_a_contract_once() {
    let _ = drawing().on("grow-tree", "", |_, (): ()| async move { Ok(()) });
}

#[test]
fn the_files_of_the_example_are_what_it_prints() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/typed");
    let written = |name: &str| fs::read_to_string(folder.join(name)).unwrap_or_default();
    let advice = "write it anew: cargo run --example typed --features types -- --typescript (or --asyncapi)";
    assert!(written("types.ts") == typed::contract().typescript(), "types.ts: {advice}");
    let document = format!("{:#}\n", typed::contract().asyncapi("/"));
    assert!(written("asyncapi.json") == document, "asyncapi.json: {advice}");
}
