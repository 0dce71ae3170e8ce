//! Three hubs over a bus against a model of them: random steps with links that break, packets that are lost and nodes
//! that die; whenever it is quiet again, all agree with the model and with one another.

mod support;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

use gustnado::{
    Conn, Connector, Disconnect, EventKind, Handler, Handshake, Hub, Reject, Tap, TapFilter,
    adapter::{Link, MemoryBus},
    async_trait,
};
use rand::{Rng, SeedableRng, rngs::StdRng, seq::IteratorRandom};
use support::{Client, Frame, connect_with, request_with};
use tokio::{sync::mpsc, time::sleep};

const NODES: usize = 3;
const ROOMS: usize = 5;
const USERS: usize = 6;
const MOST_CONNECTIONS: usize = 16;
const GRACE: Duration = Duration::from_secs(1);

/// Names its user, and tells the test that it is open.
struct Guest(mpsc::Sender<Conn>);

#[async_trait]
impl Connector for Guest {
    async fn on_connect(&mut self, handshake: &mut Handshake) -> Result<(), Reject> {
        let user = handshake.query("user").map(String::from).unwrap_or_default();
        handshake.set_user(user);
        Ok(())
    }

    async fn on_open(&mut self, conn: &Conn) -> Result<(), Disconnect> {
        self.0.send(conn.clone()).await?;
        Ok(())
    }
}

struct Node {
    hub: Hub,
    handler: Handler,
    opened: mpsc::Receiver<Conn>,
    tap: Tap,
    /// Who is in which room, as far as the tap has said.
    told: BTreeSet<(String, String)>,
}

impl Node {
    fn new(bus: &MemoryBus) -> Self {
        let hub = Hub::builder().adapter(bus.adapter()).presence_in(|_| true).presence_grace(GRACE).build();
        let (sender, opened) = mpsc::channel(64);
        // Clients of a model say nothing for a while.
        let handler =
            Handler::new(move || Guest(sender.clone())).hub(&hub).pong_timeout(Duration::from_secs(3600));
        let tap = hub.tap(TapFilter::default().capacity(100_000));
        Self { hub, handler, opened, tap, told: BTreeSet::new() }
    }

    /// Nobody goes who has not come.
    fn follow(&mut self) {
        while let Some(event) = self.tap.try_next() {
            let EventKind::Presence { room, online, .. } = event.kind else { continue };
            let key = (room, event.user.expect("a user"));
            match online {
                // It may have come before, and this node have left the room meanwhile.
                true => _ = self.told.insert(key),
                false => assert!(self.told.remove(&key), "{key:?} has gone and had not come"),
            }
        }
        assert_eq!(self.tap.missed(), 0);
    }
}

struct Member {
    node: usize,
    user: String,
    rooms: BTreeSet<String>,
    conn: Conn,
    client: Client,
}

struct Model {
    bus: MemoryBus,
    nodes: Vec<Node>,
    members: Vec<Member>,
    random: StdRng,
}

impl Model {
    fn new(seed: u64) -> Self {
        let bus = MemoryBus::new();
        let nodes = (0..NODES).map(|_| Node::new(&bus)).collect();
        Self { bus, nodes, members: Vec::new(), random: StdRng::seed_from_u64(seed) }
    }

    fn some_room(&mut self) -> String {
        format!("r{}", self.random.random_range(0..ROOMS))
    }

    fn some_node(&mut self) -> usize {
        self.random.random_range(0..NODES)
    }

    async fn step(&mut self) {
        let some = (0..self.members.len()).choose(&mut self.random);
        match (self.random.random_range(0..100), some) {
            (0..30, _) if self.members.len() < MOST_CONNECTIONS => self.connect().await,
            (0..55, Some(at)) => {
                let room = self.some_room();
                let member = &mut self.members[at];
                member.conn.join(&room).await.expect("it may");
                member.rooms.insert(room);
            }
            (55..70, Some(at)) => {
                let room = self.some_room();
                let member = &mut self.members[at];
                member.conn.leave(&room).await;
                member.rooms.remove(&room);
            }
            (70..82, Some(at)) => {
                let mut member = self.members.swap_remove(at);
                if self.random.random_bool(0.5) {
                    member.client.bye().await;
                }
            }
            (82..92, _) => {
                let node = self.some_node();
                let link = if self.random.random_bool(0.5) { Link::Down } else { Link::Up };
                self.bus.set_link(self.nodes[node].hub.node(), link);
            }
            (92..94, _) => self.kill(),
            (94..97, _) => {
                let mut random = StdRng::seed_from_u64(self.random.random());
                self.bus.lose(move |_, _| random.random_bool(0.3));
            }
            _ => self.bus.lose_nothing(),
        }
        let pause = self.random.random_range(0..10_u32).pow(4);
        sleep(Duration::from_millis(pause.into())).await;
        self.nodes.iter_mut().for_each(Node::follow);
    }

    async fn connect(&mut self) {
        let (node, user) = (self.some_node(), format!("u{}", self.random.random_range(0..USERS)));
        let request = request_with(&format!("/ws?user={user}"), &[]);
        let client = connect_with(&self.nodes[node].handler, &request).await;
        let conn = self.nodes[node].opened.recv().await.expect("it opens");
        self.members.push(Member { node, user, rooms: BTreeSet::new(), conn, client });
    }

    /// A node dies, with its clients, and another one is started.
    fn kill(&mut self) {
        let at = self.some_node();
        self.bus.set_link(self.nodes[at].hub.node(), Link::Down);
        self.nodes[at] = Node::new(&self.bus);
        self.members.retain(|member| member.node != at);
    }

    /// Mends everything, waits for ten seconds and who may still come back, and compares.
    async fn is_true_when_quiet(&mut self) {
        self.bus.lose_nothing();
        for node in &self.nodes {
            self.bus.set_link(node.hub.node(), Link::Up);
        }
        sleep(Duration::from_secs(10) + GRACE).await;
        for node in &mut self.nodes {
            node.follow();
        }
        let ids: BTreeSet<_> = self.nodes.iter().map(|node| node.hub.node()).collect();
        for (at, node) in self.nodes.iter().enumerate() {
            let mut nodes = BTreeSet::from_iter(node.hub.nodes());
            nodes.insert(node.hub.node());
            assert_eq!(nodes, ids);
            for room in (0..ROOMS).map(|room| format!("r{room}")) {
                let there = self.members.iter().filter(|member| member.rooms.contains(&room));
                let is_here = there.clone().any(|member| member.node == at);
                let mut expected: BTreeMap<String, BTreeSet<_>> = BTreeMap::new();
                for member in there.clone() {
                    expected.entry(member.user.clone()).or_default().insert(member.conn.id());
                }
                let gathered = node.hub.everywhere().members(&room).await;
                assert!(gathered.is_complete());
                assert_eq!(gathered.value.len(), there.count());
                let presence = node.hub.presence(&room).into_iter();
                let presence: BTreeMap<_, BTreeSet<_>> =
                    presence.map(|(user, list)| (user, list.into_iter().map(|it| it.id).collect())).collect();
                assert_eq!(presence, if is_here { expected } else { BTreeMap::new() }, "{room} on {at}");
                if is_here {
                    let told = node.told.iter().filter(|(of, _)| *of == room).map(|(_, user)| user);
                    assert!(
                        presence.keys().all(|user| told.clone().any(|it| it == user)),
                        "who is there was told"
                    );
                }
            }
        }
        self.everybody_gets_a_message_once().await;
    }

    async fn everybody_gets_a_message_once(&mut self) {
        let from = self.some_node();
        for room in (0..ROOMS).map(|room| format!("r{room}")) {
            self.nodes[from].hub.room(&room).send(format!("probe {room}")).await;
        }
        sleep(Duration::from_millis(1)).await;
        for member in &mut self.members {
            member.client.ping(b"all").await;
            let mut probes = HashMap::new();
            loop {
                match member.client.next().await {
                    Frame::Text(text) => *probes.entry(text.replace("probe ", "")).or_insert(0) += 1,
                    Frame::Pong(_) => break,
                    Frame::Ping(_) => {}
                    other => panic!("{other:?}"),
                }
            }
            let expected: HashMap<_, _> = member.rooms.iter().map(|room| (room.clone(), 1)).collect();
            assert_eq!(probes, expected);
        }
    }
}

/// Which seed, steps between two looks, and looks.
async fn run(seed: u64, steps: usize, looks: usize) {
    let mut model = Model::new(seed);
    for _ in 0..looks {
        for _ in 0..steps {
            model.step().await;
        }
        model.is_true_when_quiet().await;
    }
}

#[tokio::test(start_paused = true)]
async fn all_nodes_agree_when_it_is_quiet_after_long_unrest() {
    for seed in 0..3 {
        run(seed, 60, 12).await;
    }
}

#[tokio::test(start_paused = true)]
async fn all_nodes_agree_when_it_is_quiet_after_short_unrest() {
    for seed in 10..12 {
        run(seed, 6, 80).await;
    }
}
