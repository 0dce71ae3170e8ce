//! A node of which nothing is there but its adapter.
#![allow(dead_code, unreachable_pub, reason = "each test file uses a part")]

use std::{collections::VecDeque, sync::Arc, time::Duration};

use bytes::Bytes;
use gustnado::adapter::{Adapter, History, Inbox, Link, NodeId, Position, Subject};
use parking_lot::Mutex;
use tokio::{sync::Notify, time::timeout};

pub struct Node<A> {
    pub adapter: A,
    pub inbox: Arc<Heard>,
}

impl<A: Adapter> Node<A> {
    pub fn start(adapter: A) -> Self {
        let inbox = Arc::<Heard>::default();
        adapter.start(NodeId::new(rand::random()), inbox.clone());
        Self { adapter, inbox }
    }

    pub async fn up(adapter: A) -> Self {
        let node = Self::start(adapter);
        node.is(Link::Up).await;
        node
    }

    pub async fn is(&self, link: Link) {
        self.inbox.until(&format!("{link:?}"), |told| told.link == Some(link)).await;
    }

    pub async fn listen(&self, room: &str) {
        self.adapter.set_interest(&Subject::room(room), true);
        self.adapter.confirmed(&Subject::room(room)).await.expect("the engine is there");
    }

    pub fn publish(&self, room: &str, text: &str) {
        let packet = Bytes::copy_from_slice(text.as_bytes());
        self.adapter.publish(&Subject::room(room), packet).expect("the engine is there");
    }

    pub fn history(&self) -> &dyn History {
        self.adapter.history().expect("it keeps logs")
    }
}

/// Everything that an inbox was told and nobody has taken yet.
#[derive(Default)]
pub struct Told {
    pub packets: VecDeque<(Subject, Bytes)>,
    pub entries: Vec<(String, Position, Bytes)>,
    pub link: Option<Link>,
    pub links: Vec<Link>,
    pub interruptions: usize,
}

#[derive(Default)]
pub struct Heard(Mutex<Told>, Notify);

impl Heard {
    pub async fn until(&self, what: &str, holds: impl Fn(&Told) -> bool) {
        let wait = async {
            loop {
                let told = self.1.notified();
                if holds(&self.0.lock()) {
                    return;
                }
                told.await;
            }
        };
        timeout(Duration::from_secs(30), wait).await.unwrap_or_else(|_| panic!("not in time: {what}"));
    }

    /// The text of the next packet.
    pub async fn next(&self) -> String {
        self.until("a packet", |told| !told.packets.is_empty()).await;
        let (_, packet) = self.0.lock().packets.pop_front().expect("it was there");
        String::from_utf8_lossy(&packet).into_owned()
    }

    pub fn read<T>(&self, read: impl FnOnce(&Told) -> T) -> T {
        read(&self.0.lock())
    }

    fn note(&self, change: impl FnOnce(&mut Told)) {
        change(&mut self.0.lock());
        self.1.notify_one();
    }
}

impl Inbox for Heard {
    fn packet(&self, subject: &Subject, packet: Bytes) {
        self.note(|told| told.packets.push_back((subject.clone(), packet)));
    }

    fn entry(&self, room: &str, position: Position, entry: Bytes) {
        self.note(|told| told.entries.push((room.to_owned(), position, entry)));
    }

    fn link_changed(&self, link: Link) {
        self.note(|told| {
            told.link = Some(link);
            told.links.push(link);
        });
    }

    fn interrupted(&self) {
        self.note(|told| told.interruptions += 1);
    }
}
