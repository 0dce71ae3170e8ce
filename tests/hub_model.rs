//! The hub against a model of it: random steps, each checked against plain maps.

mod support;

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
};

use gustnado::{
    CloseFrame, Closed, Conn, ConnId, Connector, Disconnect, Handler, Handshake, Hub, JoinError, Joined,
    Left, Page, Reject, Report, Text, async_trait,
};
use rand::{Rng, SeedableRng, rngs::StdRng, seq::IteratorRandom};
use support::{Client, Frame, close_frame, connect_with, frame, request_with};
use tokio::{io::AsyncWriteExt, sync::mpsc};

const STEPS: usize = 100_000;
const MOST_CONNECTIONS: usize = 24;
const ROOMS: usize = 12;
const USERS: usize = 6;
const MAX_ROOMS: usize = 5;

/// Counts, by its clones, the connectors that are alive.
type Marker = Arc<()>;

struct Guest {
    opened: mpsc::Sender<Conn>,
    _alive: Marker,
}

#[async_trait]
impl Connector for Guest {
    async fn on_connect(&mut self, handshake: &mut Handshake) -> Result<(), Reject> {
        let value = |name| handshake.query(name).map(std::borrow::Cow::into_owned);
        let (user, rooms) = (value("user"), value("rooms").unwrap_or_default());
        if let Some(user) = user {
            handshake.set_user(user);
        }
        for room in rooms.split(',').filter(|room| !room.is_empty()) {
            handshake.join(room)?;
        }
        Ok(())
    }

    async fn on_open(&mut self, conn: &Conn) -> Result<(), Disconnect> {
        self.opened.send(conn.clone()).await?;
        Ok(())
    }

    async fn on_text(&mut self, conn: &Conn, text: Text) -> Result<(), Disconnect> {
        match &*text {
            // Without a word of the panic hook, which would print thousands.
            "panic" => std::panic::resume_unwind(Box::new("a test panics")),
            "fail" => Err(Disconnect::new(4000, "failed")),
            "close" => Ok(conn.close(4001, "bye")?),
            _ => Ok(()),
        }
    }

    async fn on_close(&mut self, conn: &Conn, _: &Closed) {
        for room in conn.rooms() {
            conn.room(room).except(conn).send(format!("farewell {}", conn.id())).await;
        }
    }
}

fn handler(hub: &Hub) -> (Handler, mpsc::Receiver<Conn>, Marker) {
    let (opened, conns) = mpsc::channel(MOST_CONNECTIONS);
    let marker = Marker::default();
    let alive = marker.clone();
    let handler = Handler::new(move || Guest { opened: opened.clone(), _alive: alive.clone() });
    (handler.hub(hub), conns, marker)
}

fn open_request(user: Option<usize>, rooms: &BTreeSet<usize>) -> String {
    let user = user.map_or(String::new(), |user| format!("user=u{user}&"));
    let rooms: Vec<_> = rooms.iter().map(|room| format!("r{room}")).collect();
    request_with(&format!("/ws?{user}rooms={}", rooms.join(",")), &[])
}

/// What the model knows of one connection.
struct Member {
    conn: Conn,
    client: Client,
    user: Option<usize>,
    rooms: BTreeSet<usize>,
    /// What it is to read, in this order.
    expected: Vec<String>,
}

/// Whether a message is for a member, going by its room or user alone.
type IsFor = Box<dyn Fn(&Member) -> bool>;

struct Model {
    hub: Hub,
    handler: Handler,
    opened: mpsc::Receiver<Conn>,
    marker: Marker,
    members: BTreeMap<ConnId, Member>,
    random: StdRng,
    sent: u64,
    /// Messages for anybody at all, which is how often one is encoded.
    encoded: u64,
}

impl Model {
    fn new(seed: u64) -> Self {
        let hub = Hub::builder().max_rooms(MAX_ROOMS).build();
        let (handler, opened, marker) = handler(&hub);
        let (members, random) = (BTreeMap::new(), StdRng::seed_from_u64(seed));
        Self { hub, handler, opened, marker, members, random, sent: 0, encoded: 0 }
    }

    async fn step(&mut self) {
        let dice = self.random.random_range(0..1000);
        if self.members.is_empty() || dice < 40 && self.members.len() < MOST_CONNECTIONS {
            self.connect().await;
            return;
        }
        let id = *self.members.keys().choose(&mut self.random).expect("it is not empty");
        match dice {
            0..75 => self.end(id).await,
            75..275 => self.join(id).await,
            275..425 => self.leave(id).await,
            425..500 => self.send_by_id(id).await,
            _ => self.broadcast().await,
        }
    }

    fn some_rooms(&mut self, most: usize) -> Vec<usize> {
        let count = self.random.random_range(0..=most);
        (0..count).map(|_| self.random.random_range(0..ROOMS)).collect()
    }

    async fn connect(&mut self) {
        let user = self.random.random_bool(0.7).then(|| self.random.random_range(0..USERS));
        let rooms = BTreeSet::from_iter(self.some_rooms(MAX_ROOMS));
        let client = connect_with(&self.handler, &open_request(user, &rooms)).await;
        let conn = self.opened.recv().await.expect("a handler");
        assert_eq!(conn.user(), user.map(|user| format!("u{user}")).as_deref());
        let member = Member { user, rooms, client, expected: Vec::new(), conn };
        self.members.insert(member.conn.id(), member);
    }

    /// Ends a connection in one of many ways, and waits until it is out of the hub.
    async fn end(&mut self, id: ConnId) {
        let Member { conn, mut client, rooms, expected, .. } = self.members.remove(&id).expect("it is there");
        let way = self.random.random_range(0..8);
        let drops = way == 4;
        // All it was to get, it has got: nothing before its end is lost, but where its client goes away.
        match way {
            0 => client.write(&close_frame(1000, "")).await,
            1 => client.write(&frame(support::TEXT, b"panic")).await,
            2 => client.write(&frame(support::TEXT, b"fail")).await,
            3 => client.write(&frame(support::TEXT, b"close")).await,
            4 => {}
            5 => {
                assert!(self.hub.close(id, CloseFrame::new(4002, "kicked").expect("a code that may travel")));
            }
            6 => conn.close(4003, "").expect("a code that may travel"),
            // It breaks the protocol: a frame without a mask.
            _ => client.write(&[0x81, 0x00]).await,
        }
        if !drops {
            let mut came = Vec::new();
            loop {
                match client.next().await {
                    Frame::Text(text) => came.push(text),
                    Frame::Close(_) if way == 0 => {}
                    // Its end may have come already.
                    Frame::Close(_) => _ = client.io.write_all(&close_frame(1000, "")).await,
                    Frame::End => break,
                    other => panic!("{other:?}"),
                }
            }
            assert_eq!(came, expected, "way {way}");
        }
        drop(client);
        for _ in 0..10_000 {
            if self.hub.connection(id).is_none() {
                break;
            }
            tokio::task::yield_now().await;
        }
        assert!(self.hub.connection(id).is_none(), "it is out of the hub: way {way}");
        // One from each room that it shared with the other.
        let farewell = format!("farewell {id}");
        for member in self.members.values_mut() {
            let shared = member.rooms.intersection(&rooms).count();
            member.expected.extend(std::iter::repeat_n(farewell.clone(), shared));
        }
        self.encoded += rooms.len() as u64;
        assert_eq!(conn.rooms(), [""; 0]);
        assert_eq!(conn.join("r0").await, Err(JoinError::Closing));
    }

    async fn join(&mut self, id: ConnId) {
        let room = self.random.random_range(0..ROOMS);
        let others = self.members.values().any(|member| member.rooms.contains(&room));
        let member = self.members.get_mut(&id).expect("it is there");
        let expected = if member.rooms.contains(&room) {
            Ok(Joined::Already)
        } else if member.rooms.len() == MAX_ROOMS {
            Err(JoinError::TooManyRooms { limit: MAX_ROOMS })
        } else {
            member.rooms.insert(room);
            Ok(if others { Joined::Joined } else { Joined::Created })
        };
        assert_eq!(member.conn.join(&format!("r{room}")).await, expected);
    }

    async fn leave(&mut self, id: ConnId) {
        let member = self.members.get_mut(&id).expect("it is there");
        let room = member.rooms.iter().copied().choose(&mut self.random).unwrap_or(0);
        let (conn, was_in) = (member.conn.clone(), member.rooms.remove(&room));
        let others = self.members.values().any(|member| member.rooms.contains(&room));
        let expected = match (was_in, others) {
            (false, _) => Left::NotThere,
            (true, true) => Left::Left,
            (true, false) => Left::Emptied,
        };
        assert_eq!(conn.leave(&format!("r{room}")).await, expected);
    }

    async fn send_by_id(&mut self, id: ConnId) {
        let text = self.next_text();
        self.hub.send_to(id, text.clone()).expect("there is room");
        self.members.get_mut(&id).expect("it is there").expected.push(text);
    }

    fn next_text(&mut self) -> String {
        self.sent += 1;
        format!("message {}", self.sent)
    }

    async fn broadcast(&mut self) {
        let text = self.next_text();
        let user = self.random.random_range(0..USERS);
        let rooms = self.some_rooms(4);
        let names = rooms.iter().map(|room| format!("r{room}"));
        let (target, is_for): (_, IsFor) = match self.random.random_range(0..10) {
            0 => (self.hub.everybody(), Box::new(|_| true)),
            1..3 => (self.hub.user(format!("u{user}")), Box::new(move |member| member.user == Some(user))),
            3..6 => (
                self.hub.rooms(names),
                Box::new(move |member| rooms.iter().any(|room| member.rooms.contains(room))),
            ),
            _ => (
                self.hub.room(format!("r{user}")),
                // As many users as there are rooms that are spoken to one by one; it is any number.
                Box::new(move |member| member.rooms.contains(&user)),
            ),
        };
        let but = self.random.random_range(0..3);
        let except: Vec<ConnId> = self.members.keys().copied().choose_multiple(&mut self.random, but);
        let anybody = self.members.values().any(&is_for);
        self.encoded += u64::from(anybody);
        let target = target.except_all(except.iter().copied());
        let recipients: BTreeSet<ConnId> = self
            .members
            .values()
            .filter(|member| is_for(member) && !except.contains(&member.conn.id()))
            .map(|member| member.conn.id())
            .collect();
        let listed: BTreeSet<_> = target.connections().iter().map(Conn::id).collect();
        assert_eq!(listed, recipients);
        let report = target.send(text.clone()).await;
        let Report { queued, dropped, disconnected, too_large, closing, .. } = report;
        assert_eq!((queued, dropped, disconnected, too_large, closing), (recipients.len(), 0, 0, 0, 0));
        for id in recipients {
            self.members.get_mut(&id).expect("it is there").expected.push(text.clone());
        }
    }

    /// Reads what everybody has got, and compares it and the hub with the model.
    async fn check(&mut self) {
        for member in self.members.values_mut() {
            for expected in std::mem::take(&mut member.expected) {
                assert_eq!(member.client.next().await, Frame::Text(expected), "no miss, no extra, in order");
            }
            // Nothing more came: the answer to a ping would be behind it.
            member.client.ping(b"?").await;
            assert_eq!(member.client.next().await, Frame::Pong(b"?".to_vec()));
            let rooms: BTreeSet<_> = member.rooms.iter().map(|room| format!("r{room}")).collect();
            assert_eq!(BTreeSet::from_iter(member.conn.rooms()), rooms);
            assert_eq!(member.conn.rooms().len(), rooms.len());
        }
        self.check_hub();
    }

    fn check_hub(&self) {
        let hub = &self.hub;
        let (mut rooms, mut users) = (BTreeMap::new(), BTreeMap::new());
        for (id, member) in &self.members {
            for room in &member.rooms {
                rooms.entry(format!("r{room}")).or_insert_with(BTreeSet::new).insert(*id);
            }
            if let Some(user) = member.user {
                users.entry(format!("u{user}")).or_insert_with(BTreeSet::new).insert(*id);
            }
        }
        let counts = hub.counts();
        assert_eq!(
            (counts.connections, counts.rooms, counts.users, counts.encoded),
            (self.members.len(), rooms.len(), users.len(), self.encoded)
        );
        assert!(hub.connections(Page::ALL).iter().map(Conn::id).eq(self.members.keys().copied()));
        assert_eq!(hub.everybody().connections().len(), self.members.len());
        assert!(hub.users(Page::ALL).iter().eq(users.keys()));
        for (user, expected) in users {
            assert_eq!(ids(&hub.connections_of(&user, Page::ALL)), expected, "{user}");
        }
        let listed = hub.room_list(Page::ALL);
        assert!(listed.iter().map(|room| &room.name).eq(rooms.keys()));
        for (room, expected) in listed.iter().zip(rooms.values()) {
            assert_eq!(
                (ids(&hub.members(&room.name, Page::ALL)), room.members),
                (expected.clone(), expected.len())
            );
        }
        assert_eq!(self.handler.stats().open, self.members.len() as u64);
        // The handler's factory has one, and this model.
        assert_eq!(Arc::strong_count(&self.marker) - 2, self.members.len(), "a connector is left");
    }
}

fn ids(conns: &[Conn]) -> BTreeSet<ConnId> {
    let set: BTreeSet<_> = conns.iter().map(Conn::id).collect();
    assert_eq!(set.len(), conns.len(), "nobody is listed twice");
    set
}

/// Prints the seed if the test fails.
struct Seed(u64);

impl Seed {
    /// Another one each time, or `HUB_MODEL_SEED`.
    fn choose() -> Self {
        let given = std::env::var("HUB_MODEL_SEED").ok().map(|seed| seed.parse().expect("a number"));
        Self(given.unwrap_or_else(rand::random))
    }
}

impl Drop for Seed {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("again with HUB_MODEL_SEED={}", self.0);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_hundred_thousand_random_steps_do_what_the_model_does() {
    let seed = Seed::choose();
    let mut model = Model::new(seed.0);
    let mut most = 0;
    for step in 0..STEPS {
        model.step().await;
        most = most.max(model.members.len());
        // Before an outbox or a pipe is full.
        if step % 50 == 49 {
            model.check().await;
        }
    }
    model.check().await;
    assert!(most > MOST_CONNECTIONS / 2 && model.sent > 10_000, "the steps are worth something");
    while let Some(id) = model.members.keys().next().copied() {
        model.end(id).await;
    }
    model.check().await;
    assert_eq!((model.hub.counts().connections, model.hub.counts().rooms), (0, 0));
}

/// What one task of the test with many sends: whose, and the number of it.
fn numbered(sender: usize, number: usize) -> String {
    format!("{sender} {number}")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_tasks_at_once_leave_nothing_behind_and_lose_nothing() {
    const TASKS: usize = 8;
    const ROUNDS: usize = 60;
    let seed = Seed::choose();
    let hub = Hub::builder().max_rooms(MAX_ROOMS).build();
    let (handler, mut opened, marker) = handler(&hub);
    // Members that stay, to whom nothing may get lost.
    let mut residents = Vec::new();
    for _ in 0..4 {
        residents.push(connect_with(&handler, &open_request(None, &BTreeSet::from([0]))).await);
        opened.recv().await.expect("a handler");
    }
    let conns = tokio::spawn(async move {
        let mut conns = Vec::new();
        while conns.len() < TASKS * ROUNDS {
            conns.push(opened.recv().await.expect("a handler"));
        }
        conns
    });
    let tasks: Vec<_> = (0..TASKS)
        .map(|task| {
            let (hub, handler) = (hub.clone(), handler.clone());
            let mut random = StdRng::seed_from_u64(seed.0.wrapping_add(task as u64));
            tokio::spawn(async move {
                for round in 0..ROUNDS {
                    come_and_go(&hub, &handler, &mut random).await;
                    let report = hub.room("r0").send(numbered(task, round)).await;
                    assert!(report.queued >= 4, "{report:?}");
                }
            })
        })
        .collect();
    let readers: Vec<_> = residents
        .into_iter()
        .map(|mut client| {
            tokio::spawn(async move {
                let mut next = [0; TASKS];
                while next != [ROUNDS; TASKS] {
                    let Frame::Text(text) = client.next().await else { panic!("expected a text") };
                    let Some((sender, number)) = text.split_once(' ') else { panic!("{text}") };
                    let Ok(sender) = sender.parse::<usize>() else { continue };
                    assert_eq!(number, next[sender].to_string(), "of {sender}");
                    next[sender] += 1;
                }
            })
        })
        .collect();
    for task in tasks.into_iter().chain(readers) {
        task.await.expect("no panic");
    }
    let conns = conns.await.expect("no panic");
    while hub.counts().connections > 0 {
        tokio::task::yield_now().await;
    }
    let counts = hub.counts();
    assert_eq!((counts.rooms, counts.users), (0, 0));
    assert_eq!(hub.everybody().connections().len(), 0);
    let mut by_id = HashMap::new();
    for conn in conns {
        assert_eq!(conn.rooms(), [""; 0]);
        assert!(by_id.insert(conn.id(), conn).is_none(), "each has an id of its own");
    }
    while handler.stats().open > 0 {
        tokio::task::yield_now().await;
    }
    // Handler and test have one each; connectors have gone with their connections.
    assert_eq!(Arc::strong_count(&marker), 2);
}

/// One connection's life, with random joins, leaves and sends of other connections than its own.
async fn come_and_go(hub: &Hub, handler: &Handler, random: &mut StdRng) {
    let user = random.random_range(0..USERS);
    let rooms = (0..3).map(|_| random.random_range(0..3)).collect();
    let mut client = connect_with(handler, &open_request(Some(user), &rooms)).await;
    for _ in 0..10 {
        let room = format!("r{}", random.random_range(0..3));
        // Whoever is there now; it may be gone before it joins.
        let Some(conn) = hub.connections_of(&format!("u{user}"), Page::ALL).into_iter().choose(random) else {
            continue;
        };
        match random.random_range(0..3) {
            0 => _ = conn.join(&room).await,
            1 => _ = conn.leave(&room).await,
            _ => _ = hub.rooms(["r1", "r2"]).except(&conn).send("to others than r0").await,
        }
    }
    match random.random_range(0..3) {
        0 => client.text("panic").await,
        1 => client.close(1000, "").await,
        _ => {}
    }
}
