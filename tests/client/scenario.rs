//! Runs the scenarios of `tests/scenarios/`, whose README says what the steps are.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use gustnado::{
    client::{Client, CommandError, Join, Position, RoomEvent, State, TokenIn},
    commands::{Codec, ErrorReply},
};
use serde_json::{Value, json};
use tokio::{
    sync::oneshot,
    task::{AbortHandle, JoinHandle},
    time::{sleep, timeout},
};

use super::server::{NOW, Peer, Server, server};

/// What became of a promise: a value or a code.
type Outcome = Result<Value, String>;

/// A room as the application sees it.
#[derive(Default)]
struct Seen {
    events: Vec<Value>,
    position: Option<Position>,
}

struct Stage {
    server: Server,
    client: Client,
    peer: Option<Peer>,
    promises: HashMap<String, JoinHandle<Outcome>>,
    rooms: HashMap<String, (Arc<Mutex<Seen>>, AbortHandle)>,
    /// What `$name` stands for.
    names: HashMap<String, Value>,
}

pub(super) async fn run(scenario: &Value, codec: Codec) {
    let (server, mut builder) = server(codec);
    for (cmd, answer) in scenario["answers"].as_object().into_iter().flatten() {
        let answer = answer.clone();
        builder = builder.answer(cmd, move |_: Value| {
            let refused = answer["error"].as_str().map(|code| ErrorReply::new(code.to_owned(), "as told"));
            let answer = refused.map_or(Ok(answer.clone()), Err);
            async move { answer }
        });
    }
    if scenario["tokens"] == true {
        builder = builder
            .token_in(TokenIn::Query("token".into()))
            .token(|| async { Ok::<_, CommandError>("t".into()) });
    }
    let client = builder.connect().expect("an address");
    let (promises, rooms, names) = Default::default();
    let mut stage = Stage { server, client, peer: None, promises, rooms, names };
    for (number, step) in scenario["steps"].as_array().expect("steps").iter().enumerate() {
        if let Err(why) = stage.step(step).await {
            panic!("{} as {codec:?}, step {number} {step}: {why}", scenario["name"]);
        }
        sleep(NOW).await;
    }
}

impl Stage {
    async fn step(&mut self, step: &Value) -> Result<(), String> {
        let fields = step.as_object().ok_or("a map")?;
        let text = |key: &str| step[key].as_str().unwrap_or_default().to_owned();
        let time = |key: &str| Duration::from_millis(step[key].as_u64().unwrap_or(1));
        let has = |key: &str| fields.contains_key(key);
        if has("accept") {
            self.accept(&step["accept"]).await?;
        } else if has("refuse") {
            self.server.refuse(step["refuse"].as_u64().unwrap_or(500) as u16, None).await;
        } else if has("expects") {
            let frame = self.peer()?.next(time("within")).await.ok_or("nothing came")?;
            self.compare(&step["expects"], &frame)?;
        } else if has("expects_nothing") {
            nothing(self.peer()?.next(NOW).await)?;
        } else if has("says") {
            let frame = self.filled(&step["says"]);
            self.peer()?.say(&frame).await;
        } else if has("closes") {
            let peer = self.peer.take().ok_or("no connection")?;
            let code = step["closes"][0]
                .as_u64()
                .map(|code| (code as u16, step["closes"][1].as_str().unwrap_or("")));
            peer.close(code).await;
        } else if has("cuts") {
            self.peer.take().ok_or("no connection")?;
        } else if has("requests") {
            self.request(&text("requests"), step);
        } else if has("sends") {
            let client = self.client.clone();
            let (cmd, param) = (text("sends"), step["param"].clone());
            self.promise(&text("as"), async move {
                let result = client.send(&cmd, param).await.expect("it can be encoded");
                Ok(json!(format!("{result:?}").to_lowercase()))
            });
        } else if has("joins") {
            self.join(&text("joins"), step);
        } else if has("leaves") {
            self.rooms.remove(&text("leaves")).ok_or("no such room")?.1.abort();
        } else if has("publishes") {
            self.publish(step);
        } else if has("closes_client") {
            let client = self.client.clone();
            drop(tokio::spawn(async move { client.close().await }));
        } else if has("gets") {
            let got = self.outcome(&text("gets")).await?.map_err(|code| format!("it failed: {code}"))?;
            self.compare(&step["value"], &got)?;
        } else if has("fails") {
            let code = self.outcome(&text("fails")).await?.err().ok_or("it did not fail")?;
            same(&step["code"], &json!(code))?;
        } else if has("waits") {
            let is_over = self.promises.get(&text("waits")).ok_or("no such promise")?.is_finished();
            nothing(is_over.then_some("it is over"))?;
        } else if has("event") {
            let event =
                self.seen(&text("event"), |seen| (!seen.events.is_empty()).then(|| seen.events.remove(0)))?;
            same(&without_nulls(&step["is"]), &event.ok_or("no event")?)?;
        } else if has("no_event") {
            nothing(self.seen(&text("no_event"), |seen| seen.events.first().cloned())?)?;
        } else if has("position") {
            let position = self.seen(&text("position"), |seen| seen.position.clone())?;
            same(&step["is"], &json!(position))?;
        } else if has("state") {
            let state = match self.client.state() {
                State::Waiting { .. } => "waiting".into(),
                state => format!("{state:?}").to_lowercase(),
            };
            same(&step["state"], &json!(state))?;
        } else if has("pass") {
            sleep(time("pass")).await;
        } else if has("no_attempt") {
            nothing(self.server.attempt(time("no_attempt")).await.map(|(_, after)| after))?;
        } else {
            return Err("there is no such step".into());
        }
        Ok(())
    }

    fn peer(&mut self) -> Result<&mut Peer, String> {
        self.peer.as_mut().ok_or("no connection".into())
    }

    async fn accept(&mut self, when: &Value) -> Result<(), String> {
        let millis = |at: usize| when[at].as_u64().map(Duration::from_millis);
        let (from, to) = (millis(0).unwrap_or_default(), millis(1).unwrap_or_default() + NOW);
        let (pipe, after) = self.server.attempt(to).await.ok_or("nobody tried to connect")?;
        // The steps before have taken some of the time.
        if after + 5 * NOW < from {
            return Err(format!("tried again after {after:?}"));
        }
        self.peer = Some(self.server.open(pipe).await);
        Ok(())
    }

    fn promise(&mut self, name: &str, promise: impl Future<Output = Outcome> + Send + 'static) {
        self.promises.insert(name.into(), tokio::spawn(promise));
    }

    async fn outcome(&mut self, name: &str) -> Result<Outcome, String> {
        let promise = self.promises.remove(name).ok_or("no such promise")?;
        timeout(NOW, promise).await.map_err(|_| "it is not over")?.map_err(|error| error.to_string())
    }

    fn request(&mut self, cmd: &str, step: &Value) {
        let mut request = self.client.request::<Value>(cmd, &step["param"]);
        if let Some(millis) = step["timeout"].as_u64() {
            request = request.timeout(Duration::from_millis(millis));
        }
        self.promise(step["as"].as_str().unwrap_or_default(), async {
            request.await.map_err(|error| coded(&error))
        });
    }

    fn join(&mut self, name: &str, step: &Value) {
        let mut join = self.client.join(name);
        if let Some(last) = step["last"].as_u64() {
            join = join.last(last as u32);
        }
        if let Ok(since) = serde_json::from_value(step["since"].clone()) {
            join = join.since(since);
        }
        let seen = Arc::new(Mutex::new(Seen::default()));
        let (entered, promise) = oneshot::channel();
        let reader = tokio::spawn(read(join, Arc::clone(&seen), entered));
        self.rooms.insert(name.to_owned(), (seen, reader.abort_handle()));
        self.promise(name, async { promise.await.unwrap_or(Err("left".into())) });
    }

    fn publish(&mut self, step: &Value) {
        // A reader of its own, so that the room's can go on reading.
        let join = self.client.join(step["room"].as_str().unwrap_or_default());
        let step = step.clone();
        let text = move |key: &str| step[key].as_str().unwrap_or_default().to_owned();
        let (cmd, param, key, name) = (text("publishes"), text("param"), text("key"), text("as"));
        self.promise(&name, async move {
            let room = join.await.map_err(|error| coded(&error))?;
            let position = room.publish(&cmd, param).key(&key).await.map_err(|error| coded(&error))?;
            Ok(json!(position))
        });
    }

    fn seen<T>(&self, room: &str, look: impl FnOnce(&mut Seen) -> T) -> Result<T, String> {
        let (seen, _) = self.rooms.get(room).ok_or("no such room")?;
        Ok(look(&mut seen.lock().expect("no panic")))
    }

    /// A frame of the script, with what its names stand for.
    fn filled(&self, frame: &Value) -> Value {
        let mut frame = frame.clone();
        if let Some(value) = frame["id"].as_str().and_then(|name| self.names.get(name)) {
            frame["id"] = value.clone();
        }
        frame
    }

    fn compare(&mut self, expected: &Value, got: &Value) -> Result<(), String> {
        let (expected, got) = (without_nulls(expected), without_nulls(got));
        if let Some(name) = expected["id"].as_str().filter(|id| id.starts_with('$')) {
            self.names.entry(name.into()).or_insert(got["id"].clone());
        }
        let mut expected = self.filled(&expected);
        if expected["param"]["message"] == "*" {
            expected["param"]["message"] = got["param"]["message"].clone();
        }
        same(&expected, &got)
    }
}

async fn read(join: Join, seen: Arc<Mutex<Seen>>, entered: oneshot::Sender<Outcome>) {
    let mut room = match join.await {
        Ok(room) => room,
        Err(error) => return drop(entered.send(Err(coded(&error)))),
    };
    let _ = entered.send(Ok(Value::Null));
    while let Some(event) = room.next().await {
        let mut seen = seen.lock().expect("no panic");
        seen.events.push(without_nulls(&told(event)));
        seen.position = room.position().cloned();
    }
}

fn told(event: RoomEvent) -> Value {
    match event {
        RoomEvent::Joined => json!({ "joined": true }),
        RoomEvent::Recovered(recovery) => {
            json!({ "recovered": recovery.recovered, "reason": recovery.reason.as_deref() })
        }
        RoomEvent::Command(frame) => {
            let param: Value = frame.param().expect("a value");
            json!({ "cmd": frame.cmd(), "param": param, "offset": frame.offset() })
        }
        event => json!(format!("{event:?}")),
    }
}

fn coded(error: &CommandError) -> String {
    error.code().to_owned()
}

fn without_nulls(value: &Value) -> Value {
    let Value::Object(map) = value else { return value.clone() };
    let kept = map.iter().filter(|(_, value)| !value.is_null());
    kept.map(|(key, value)| (key.clone(), without_nulls(value))).collect()
}

fn same(expected: &Value, got: &Value) -> Result<(), String> {
    if expected == got { Ok(()) } else { Err(format!("it is {got}")) }
}

fn nothing<T: std::fmt::Debug>(something: Option<T>) -> Result<(), String> {
    something.map_or(Ok(()), |something| Err(format!("there is {something:?}")))
}
