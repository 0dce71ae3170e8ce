//! A contract as an AsyncAPI 3 document.

use schemars::{SchemaGenerator, generate::SchemaSettings};
use serde_json::{Map, Value, json};

use super::{
    Contract, Direction,
    entry::{Entry, Type},
};
use crate::commands::{JSON, MESSAGE_PACK};

impl<S: Send + Sync + 'static> Contract<S> {
    /// An [AsyncAPI 3](https://www.asyncapi.com/docs/reference/specification/v3.0.0) document of an endpoint at this
    /// path: one channel, a message for each command, event, request and reply with the JSON Schema of its frame, and an
    /// operation for each.
    pub fn asyncapi(&self, path: &str) -> Value {
        let mut document = Document::new();
        for entry in &self.entries {
            document.add(entry);
        }
        let Document { schemas, messages, operations } = document;
        let refs: Map<_, _> =
            messages.keys().map(|key| (key.clone(), reference("components/messages", key))).collect();
        json!({
            "asyncapi": "3.0.0",
            "info": { "title": self.title, "version": self.version },
            "defaultContentType": "application/json",
            "channels": {
                "connection": {
                    "address": path,
                    "description": format!("A WebSocket that speaks `{JSON}`, or `{MESSAGE_PACK}` with the same frames."),
                    "messages": refs,
                },
            },
            "operations": operations,
            "components": { "messages": messages, "schemas": schemas.definitions_of() },
        })
    }
}

struct Document {
    schemas: Schemas,
    messages: Map<String, Value>,
    operations: Map<String, Value>,
}

impl Document {
    fn new() -> Self {
        Self { schemas: Schemas::new(), messages: Map::new(), operations: Map::new() }
    }

    fn add(&mut self, entry: &Entry) {
        let cmd = &entry.cmd;
        let (action, kind) = match entry.direction {
            Direction::Command => ("receive", "command"),
            Direction::Event => ("send", "event"),
            Direction::Request => ("send", "request"),
        };
        let name = key(kind, cmd);
        let asks = entry.direction == Direction::Request;
        let frame = self.frame(cmd, &entry.param, asks);
        self.messages.insert(name.clone(), message(cmd, &entry.about, &frame));
        let channel = json!({ "$ref": "#/channels/connection" });
        let mut operation = json!({
            "action": action,
            "channel": channel,
            "summary": entry.about,
            "messages": [reference("channels/connection/messages", &name)],
        });
        if entry.direction != Direction::Event {
            let reply = key("reply", &format!("{kind}.{cmd}"));
            let frame = self.frame("reply", &entry.reply, true);
            self.messages.insert(reply.clone(), message("reply", &format!("The reply to `{cmd}`."), &frame));
            operation["reply"] = json!({ "channel": channel, "messages": [reference("channels/connection/messages", &reply)] });
        }
        self.operations.insert(name, operation);
    }

    /// The schema of a whole frame.
    fn frame(&mut self, cmd: &str, param: &Type, has_id: bool) -> Value {
        let required: &[&str] = if has_id { &["cmd", "id"] } else { &["cmd"] };
        json!({
            "type": "object",
            "required": required,
            "properties": {
                "cmd": { "const": cmd },
                "channel": { "type": "string", "description": "The room that it is for." },
                "param": self.schemas.of(param),
                "id": { "type": ["string", "integer"], "description": "Asks for an answer, or names what is answered." },
                "from": { "type": "string", "description": "Who caused it; stamped by the server." },
            },
        })
    }
}

fn message(name: &str, about: &str, payload: &Value) -> Value {
    json!({ "name": name, "summary": about, "payload": payload })
}

fn reference(place: &str, key: &str) -> Value {
    json!({ "$ref": format!("#/{place}/{key}") })
}

/// The name of a part of the document. Only some characters are allowed there; others become their number.
fn key(kind: &str, cmd: &str) -> String {
    let mut key = format!("{kind}.");
    for char in cmd.chars() {
        match char {
            'a'..='z' | 'A'..='Z' | '0'..='9' | '.' | '-' => key.push(char),
            other => key.push_str(&format!("_{:x}_", u32::from(other))),
        }
    }
    key
}

/// The JSON Schemas of all types, which refer to one another.
struct Schemas(SchemaGenerator);

impl Schemas {
    fn new() -> Self {
        // What AsyncAPI's own schemas are a superset of.
        let settings =
            SchemaSettings::draft07().with(|it| it.definitions_path = "/components/schemas".into());
        Self(settings.into_generator())
    }

    fn of(&mut self, param: &Type) -> Value {
        (param.schema)(&mut self.0).to_value()
    }

    fn definitions_of(mut self) -> Map<String, Value> {
        self.0.take_definitions(true)
    }
}
