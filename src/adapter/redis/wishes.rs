//! [`Wishes`]: what is wanted of a server, what was written to it, and what it has confirmed; no I/O.

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, Instant},
};

use super::names::Channel;
use crate::adapter::Subject;

#[derive(Default)]
pub(super) struct Wishes {
    channels: HashMap<Channel, Wish>,
    /// Channels whose wish may not be what was last written, each once.
    unwritten: Vec<Channel>,
    /// Counts connections, so that none is taken for the next one.
    line: u64,
    connected: bool,
    /// Channels that were there before the cut, or before the connection, and are not yet confirmed.
    missing: usize,
    /// Nothing is missing, and that was told.
    whole: bool,
    /// Something was missing, and that was not told.
    gap: bool,
    /// Written and not answered, and when that last became fewer.
    unanswered: usize,
    progress: Option<Instant>,
}

/// What is wanted of a channel, and how far that is.
struct Wish {
    subject: Arc<Subject>,
    wanted: bool,
    /// It is in the list of those that are unwritten.
    listed: bool,
    /// What was last written.
    written: bool,
    /// How often the server has yet to answer.
    unanswered: usize,
    missing: bool,
}

/// What became of the wishes as a whole.
pub(super) struct News {
    /// Something was lost, or may be.
    pub(super) gap: bool,
    /// Nothing is missing any more.
    pub(super) whole: bool,
}

impl Wishes {
    /// `missing` if the channel was at another server before: something may be lost until it is confirmed.
    pub(super) fn want(&mut self, channel: Channel, subject: &Arc<Subject>, wanted: bool, missing: bool) {
        if !wanted && !self.channels.contains_key(&channel) {
            return;
        }
        let wish = self.channels.entry(channel.clone()).or_insert_with(|| Wish::new(subject.clone()));
        wish.wanted = wanted;
        if missing {
            self.missing += usize::from(!std::mem::replace(&mut wish.missing, true));
            self.gap = true;
        } else if !wanted {
            self.missing -= usize::from(std::mem::take(&mut wish.missing));
        }
        // Without a connection there is nothing to write; the next one is told of everything.
        if !self.connected {
            self.drop_if_over(&channel);
        } else if !std::mem::replace(&mut wish.listed, true) {
            self.unwritten.push(channel);
        }
    }

    /// The channel is at another server now. Nothing is written: this server says so itself when it knows.
    pub(super) fn abandon(&mut self, channel: &Channel) {
        let Some(wish) = self.channels.get_mut(channel) else { return };
        wish.wanted = false;
        self.missing -= usize::from(std::mem::take(&mut wish.missing));
        self.drop_if_over(channel);
    }

    /// What was taken away is to be written again, since it is still at this server.
    pub(super) fn retry(&mut self) {
        if self.missing == 0 {
            return;
        }
        for (channel, wish) in &mut self.channels {
            if wish.wanted && !wish.written && !std::mem::replace(&mut wish.listed, true) {
                self.unwritten.push(channel.clone());
            }
        }
    }

    /// Whether the server has confirmed it; `None` if it is not wanted.
    pub(super) fn is_confirmed(&self, channel: &Channel) -> Option<bool> {
        self.channels.get(channel).filter(|wish| wish.wanted).map(Wish::is_confirmed)
    }

    /// A new connection is opened; gives its number.
    pub(super) fn begin(&mut self) -> u64 {
        self.line += 1;
        self.line
    }

    /// There is a connection: everything that is wanted is to be written.
    pub(super) fn connect(&mut self) {
        self.start_over();
        self.connected = true;
        self.channels.values_mut().for_each(|wish| wish.listed = true);
        self.unwritten = self.channels.keys().cloned().collect();
    }

    /// There is no connection any more, and what still comes from it is not heard.
    pub(super) fn cut(&mut self) {
        self.line += 1;
        (self.connected, self.whole) = (false, false);
        self.start_over();
    }

    fn start_over(&mut self) {
        self.channels.retain(|_, wish| wish.wanted);
        for wish in self.channels.values_mut() {
            (wish.listed, wish.written, wish.unanswered, wish.missing) = (false, false, 0, true);
        }
        self.missing = self.channels.len();
        (self.unanswered, self.progress) = (0, None);
        self.unwritten.clear();
    }

    /// What has to be told, each time once.
    pub(super) fn news(&mut self) -> News {
        let gap = std::mem::take(&mut self.gap);
        let is_whole = self.missing == 0;
        let was_whole = std::mem::replace(&mut self.whole, is_whole) && !gap;
        News { gap, whole: is_whole && !was_whole }
    }

    /// The next channels to subscribe to, and those to unsubscribe from: as many as `limit`.
    pub(super) fn take(&mut self, limit: usize) -> (Vec<Channel>, Vec<Channel>) {
        let (mut on, mut off) = (Vec::new(), Vec::new());
        while on.len() + off.len() < limit {
            let Some(channel) = self.unwritten.pop() else { break };
            let Some(wish) = self.channels.get_mut(&channel) else { continue };
            wish.listed = false;
            if wish.wanted == wish.written {
                self.drop_if_over(&channel);
                continue;
            }
            wish.written = wish.wanted;
            wish.unanswered += 1;
            if wish.wanted { &mut on } else { &mut off }.push(channel);
        }
        if self.unanswered == 0 {
            self.progress = Some(Instant::now());
        }
        self.unanswered += on.len() + off.len();
        (on, off)
    }

    /// Whether the server has answered nothing for so long, and should have.
    pub(super) fn is_stuck(&self, limit: Duration) -> bool {
        self.unanswered > 0 && self.progress.is_some_and(|since| since.elapsed() > limit)
    }

    /// Whose packets those of a channel are, if they are wanted.
    pub(super) fn subject(&self, line: u64, channel: &Channel) -> Option<Arc<Subject>> {
        let wish = self.channels.get(channel).filter(|wish| wish.wanted && self.line == line)?;
        Some(wish.subject.clone())
    }

    /// The server says that a channel is subscribed to, or is not any more. Tells whether nobody asked for that: its
    /// slot is at another server now.
    pub(super) fn answered(&mut self, line: u64, channel: &Channel, subscribed: bool) -> bool {
        let Some(wish) = self.channels.get_mut(channel).filter(|_| self.line == line) else { return false };
        let mut moved = false;
        if wish.unanswered > 0 {
            wish.unanswered -= 1;
            self.unanswered -= 1;
            self.progress = Some(Instant::now());
            let found = wish.is_confirmed() && std::mem::take(&mut wish.missing);
            self.missing -= usize::from(found);
        } else if !subscribed {
            wish.written = false;
            moved = wish.wanted;
            if moved {
                self.missing += usize::from(!std::mem::replace(&mut wish.missing, true));
                self.gap = true;
            }
        }
        self.drop_if_over(channel);
        moved
    }

    /// Whether there may be [news](Self::news).
    pub(super) fn has_news(&self) -> bool {
        self.gap || (self.missing == 0) != self.whole
    }

    fn drop_if_over(&mut self, channel: &Channel) {
        if self.channels.get(channel).is_some_and(Wish::is_over) {
            self.channels.remove(channel);
        }
    }
}

impl Wish {
    fn new(subject: Arc<Subject>) -> Self {
        Self { subject, wanted: false, listed: false, written: false, unanswered: 0, missing: false }
    }

    fn is_confirmed(&self) -> bool {
        self.wanted && self.written && self.unanswered == 0
    }

    fn is_over(&self) -> bool {
        !self.wanted && !self.written && self.unanswered == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn room(name: &str) -> (Channel, Arc<Subject>) {
        let subject = Subject::room(name);
        (Channel::new("p", &subject), Arc::new(subject))
    }

    #[test]
    fn the_last_wish_is_written_and_confirmed_by_the_last_answer() {
        let mut wishes = Wishes::default();
        let line = wishes.begin();
        let (channel, subject) = room("r");
        wishes.connect();
        for wanted in [true, false, true] {
            wishes.want(channel.clone(), &subject, wanted, false);
        }
        assert_eq!(wishes.take(9), (vec![channel.clone()], vec![]));
        wishes.want(channel.clone(), &subject, false, false);
        assert_eq!(wishes.take(9), (vec![], vec![channel.clone()]));
        wishes.want(channel.clone(), &subject, true, false);
        assert_eq!(wishes.take(9), (vec![channel.clone()], vec![]));
        for subscribed in [true, false] {
            wishes.answered(line, &channel, subscribed);
            assert_eq!(wishes.is_confirmed(&channel), Some(false));
        }
        assert!(!wishes.answered(line, &channel, true));
        assert_eq!(wishes.is_confirmed(&channel), Some(true));
        assert!(!wishes.is_stuck(Duration::ZERO));
    }

    #[test]
    fn after_a_cut_it_is_whole_when_everything_is_confirmed_again() {
        let mut wishes = Wishes::default();
        let line = wishes.begin();
        let (channel, subject) = room("r");
        wishes.want(channel.clone(), &subject, true, false);
        wishes.connect();
        assert!(!wishes.news().whole);
        assert_eq!(wishes.take(9).0.len(), 1);
        wishes.answered(line, &channel, true);
        assert!(wishes.news().whole && !wishes.news().whole, "told once");
        wishes.cut();
        let next = wishes.begin();
        wishes.connect();
        wishes.take(9);
        assert!(!wishes.answered(line, &channel, true), "of the old connection");
        assert!(!wishes.news().whole);
        wishes.answered(next, &channel, true);
        assert!(wishes.news().whole);
    }

    #[test]
    fn what_the_server_takes_away_is_a_gap_until_it_is_there_again() {
        let mut wishes = Wishes::default();
        let line = wishes.begin();
        let (channel, subject) = room("r");
        wishes.connect();
        wishes.want(channel.clone(), &subject, true, false);
        wishes.take(9);
        wishes.answered(line, &channel, true);
        assert!(wishes.news().whole);
        assert!(wishes.answered(line, &channel, false), "nobody asked for it");
        let news = wishes.news();
        assert!(news.gap && !news.whole);
        wishes.retry();
        assert_eq!(wishes.take(9).0, std::slice::from_ref(&channel));
        wishes.answered(line, &channel, true);
        assert!(wishes.news().whole);
    }

    #[test]
    fn what_comes_and_goes_while_there_is_no_connection_leaves_nothing() {
        let mut wishes = Wishes::default();
        let (channel, subject) = room("r");
        for wanted in [true, false, true, false] {
            wishes.want(channel.clone(), &subject, wanted, false);
        }
        assert!(wishes.channels.is_empty() && wishes.unwritten.is_empty());
    }
}
