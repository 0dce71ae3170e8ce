//! [`Outbox`]: the messages of one connection that wait to be written, bounded in bytes and in number.

use std::io::IoSlice;

use crate::{
    config::{ConnConfig, SlowReader},
    protocol::{
        close::{CloseCode, CloseFrame},
        encoded::Frame,
        text::Text,
    },
    stats::Dropped,
};

use super::{
    queue::Queue,
    rope::{MAX_SLICES, Rope},
};

/// The queue behind [`Conn::send`](crate::Conn::send). It always starts at a frame: what the transport
/// took only half of belongs to the session, so that control frames can go in between.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    ready: Queue,
    /// There with context takeover: what the session has yet to compress. It goes out in this order, and until it is
    /// compressed it can be dropped.
    uncompressed: Option<Box<Uncompressed>>,
    closing: Option<Closing>,
    /// Boxed, since most connections drop nothing.
    dropped: Option<Box<Dropped>>,
    /// `on_open` has not returned: what groups send waits in `held`, so that the greeting comes first.
    holding: bool,
    /// The peer has yet to show who it is: what is held is not for it, even if `on_open` returns.
    gated: bool,
    /// What is queued may not be dropped, whatever the handler has chosen.
    lossless: bool,
    /// Messages that wait behind the greeting.
    held: Option<Box<Queue>>,
}

/// What is to be compressed.
#[derive(Debug, Default)]
struct Uncompressed {
    queue: Queue,
    /// Bytes and messages of what the session is compressing now.
    taken: (usize, usize),
}

/// Where a message comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum From {
    /// Somebody who has the connection.
    Conn,
    /// A group that the connection is in, or somebody who knows its id.
    Group,
}

/// The closing handshake, once we have a reason to begin it or to answer it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Closing {
    /// A close frame of ours is to be sent once the queue is empty; `None` has no code. Boxed, since most of a
    /// connection's life is before it.
    Send(Option<Box<CloseFrame>>),
    /// Our close frame was handed over to be written, or the transport is gone. Nothing follows.
    Sent,
}

/// Why the outbox did not take a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refused {
    Closing,
    Full,
    TooLarge,
}

impl Outbox {
    /// One for a connection whose `on_open` is to come; with `takeover` its messages are compressed by the session,
    /// in their order.
    pub(crate) fn holding(takeover: bool) -> Self {
        Self { holding: true, uncompressed: takeover.then(Box::default), ..Self::default() }
    }

    /// `on_open` has returned: what was held back follows what it has sent.
    pub(crate) fn release(&mut self) {
        if self.gated {
            return;
        }
        self.holding = false;
        if let Some(mut held) = self.held.take() {
            held.move_all(self.last());
        }
    }

    /// Holds back what groups send after `on_open` too, or no longer.
    pub(crate) fn set_gated(&mut self, gated: bool) {
        self.gated = gated;
    }

    /// A full outbox disconnects from here on: the peer would not know that something was dropped.
    pub(crate) fn lose_nothing(&mut self) {
        self.lossless = true;
    }

    /// Whether messages have to pass through the session, which compresses them.
    pub(crate) fn has_takeover(&self) -> bool {
        self.uncompressed.is_some()
    }

    /// Where a message goes that may be sent.
    #[inline]
    fn last(&mut self) -> &mut Queue {
        match &mut self.uncompressed {
            Some(uncompressed) => &mut uncompressed.queue,
            None => &mut self.ready,
        }
    }

    /// Queues a message if there is room for it.
    #[inline]
    pub(crate) fn push(
        &mut self,
        message: Frame<'_>,
        from: From,
        config: &ConnConfig,
    ) -> Result<(), Refused> {
        if self.closing.is_some() {
            return Err(Refused::Closing);
        }
        let len = message.len();
        if len > config.outbox_bytes {
            return Err(Refused::TooLarge);
        }
        // A limit may have been lowered below what is queued.
        if self.messages() >= config.outbox_messages.get()
            || len > config.outbox_bytes.saturating_sub(self.queued())
        {
            return Err(Refused::Full);
        }
        let queue =
            if self.holding && from == From::Group { self.held.get_or_insert_default() } else { self.last() };
        match message.whole() {
            Some(whole) => queue.push_whole(whole.clone()),
            None => queue.push(message.header(), message.payload()),
        }
        Ok(())
    }

    /// Does with a message that found the outbox full what the handler has chosen.
    pub(crate) fn overflow(
        &mut self,
        message: Frame<'_>,
        from: From,
        config: &ConnConfig,
    ) -> Result<(), Refused> {
        let slow_reader = if self.lossless { SlowReader::Disconnect } else { config.slow_reader };
        match slow_reader {
            SlowReader::Disconnect => {
                let reason = Text::from_static("the reader is too slow");
                self.dropped().newest += 1;
                self.close_now(CloseFrame::sendable(CloseCode::TRY_AGAIN_LATER, reason));
                Err(Refused::Full)
            }
            SlowReader::DropNewest => {
                self.dropped().newest += 1;
                Err(Refused::Full)
            }
            SlowReader::DropOldest => loop {
                if !self.drop_oldest() {
                    self.dropped().newest += 1;
                    return Err(Refused::Full);
                }
                self.dropped().oldest += 1;
                match self.push(message, from, config) {
                    Err(Refused::Full) => {}
                    done => return done,
                }
            },
        }
    }

    /// With context takeover what is compressed stays, since what follows it refers to it.
    fn drop_oldest(&mut self) -> bool {
        self.last().drop_front() || self.held.as_mut().is_some_and(|held| held.drop_front())
    }

    /// Begins or answers the closing handshake, after what is queued; the first one counts.
    pub(crate) fn close(&mut self, frame: Option<CloseFrame>) -> bool {
        let first = self.closing.is_none();
        if first {
            if self.gated {
                let unsent = self.held.take().map_or(0, |held| held.len() as u64);
                self.unsent(unsent);
            }
            self.release();
            self.closing = Some(Closing::Send(frame.map(Box::new)));
        }
        first
    }

    /// Begins the closing handshake ahead of what is queued, which is dropped.
    pub(crate) fn close_now(&mut self, frame: CloseFrame) {
        self.discard();
        self.close(Some(frame));
    }

    /// Nothing can be written any more.
    pub(crate) fn shut(&mut self) {
        self.discard();
        self.closing = Some(Closing::Sent);
    }

    fn discard(&mut self) {
        self.gated = false;
        self.release();
        let mut unsent = self.ready.clear();
        if let Some(uncompressed) = &mut self.uncompressed {
            unsent += uncompressed.queue.clear();
            unsent += std::mem::take(&mut uncompressed.taken).1 as u64;
        }
        self.unsent(unsent);
    }

    fn unsent(&mut self, messages: u64) {
        if messages > 0 {
            self.dropped().unsent += messages;
        }
    }

    fn dropped(&mut self) -> &mut Dropped {
        self.dropped.get_or_insert_default()
    }

    #[inline]
    pub(crate) fn is_closing(&self) -> bool {
        self.closing.is_some()
    }

    /// The close frame to send, once: when everything before it was taken.
    pub(crate) fn take_close(&mut self) -> Option<Option<CloseFrame>> {
        match &mut self.closing {
            Some(closing @ Closing::Send(_))
                if self.ready.is_empty()
                    && self
                        .uncompressed
                        .as_ref()
                        .is_none_or(|uncompressed| uncompressed.queue.is_empty()) =>
            {
                match std::mem::replace(closing, Closing::Sent) {
                    Closing::Send(frame) => Some(frame.map(|frame| *frame)),
                    Closing::Sent => None,
                }
            }
            _ => None,
        }
    }

    /// The close frame of ours that is still to be sent, if there is one with a code.
    pub(crate) fn close_frame(&self) -> Option<&CloseFrame> {
        match &self.closing {
            Some(Closing::Send(frame)) => frame.as_deref(),
            _ => None,
        }
    }

    /// Whether our close frame was handed over to be written, so that nothing follows.
    pub(crate) fn is_shut(&self) -> bool {
        self.closing == Some(Closing::Sent)
    }

    /// Queued bytes, frame headers included.
    #[inline]
    pub(crate) fn queued(&self) -> usize {
        self.sendable().0 + self.held.as_ref().map_or(0, |held| held.bytes())
    }

    /// Queued messages.
    #[inline]
    fn messages(&self) -> usize {
        self.sendable().1 + self.held.as_ref().map_or(0, |held| held.len())
    }

    /// Bytes and messages of what waits for the transport only.
    #[inline]
    fn sendable(&self) -> (usize, usize) {
        let (bytes, messages) = (self.ready.bytes(), self.ready.len());
        match &self.uncompressed {
            None => (bytes, messages),
            Some(waiting) => (
                bytes + waiting.queue.bytes() + waiting.taken.0,
                messages + waiting.queue.len() + waiting.taken.1,
            ),
        }
    }

    /// Whether so much is queued that it should be written before more comes.
    #[inline]
    pub(crate) fn is_pressing(&self, config: &ConnConfig) -> bool {
        const BATCH: usize = 64 * 1024;
        let (bytes, messages) = self.sendable();
        bytes >= BATCH.min(config.outbox_bytes / 2) || messages >= config.outbox_messages.get() / 2
    }

    /// Hands out what is to be compressed next, at most `bytes` of it or one frame, once all that is compressed has
    /// been written.
    pub(crate) fn take_uncompressed(&mut self, bytes: usize) -> Option<Queue> {
        let uncompressed = self.uncompressed.as_mut().filter(|_| self.ready.is_empty())?;
        if uncompressed.queue.is_empty() {
            return None;
        }
        let taken = uncompressed.queue.take(bytes);
        uncompressed.taken = (taken.bytes(), taken.len());
        Some(taken)
    }

    /// What was taken is compressed. If everything was dropped meanwhile, so is this.
    pub(crate) fn put_compressed(&mut self, mut compressed: Queue) {
        let Some(uncompressed) = &mut self.uncompressed else { return };
        if std::mem::take(&mut uncompressed.taken).1 > 0 {
            compressed.move_all(&mut self.ready);
        }
    }

    /// Whether there is nothing to be written.
    pub(crate) fn is_idle(&self) -> bool {
        self.ready.is_empty()
    }

    pub(crate) fn fill<'a>(&'a self, slices: &mut [IoSlice<'a>; MAX_SLICES], used: usize) -> usize {
        self.ready.fill(slices, used)
    }

    /// As [`Queue::written`].
    pub(crate) fn written(&mut self, count: usize, rest: &mut Option<Box<Rope>>) -> u64 {
        self.ready.written(count, rest)
    }

    /// What was dropped since this was last asked.
    pub(crate) fn take_dropped(&mut self) -> Dropped {
        self.dropped.take().map_or_else(Dropped::default, |dropped| *dropped)
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroUsize;

    use super::*;
    use crate::protocol::{encoded::Encoded, message::Message};

    fn config(bytes: usize, messages: usize, slow_reader: SlowReader) -> ConnConfig {
        let outbox_messages = NonZeroUsize::new(messages).expect("a limit");
        ConnConfig { outbox_bytes: bytes, outbox_messages, slow_reader, ..ConnConfig::default() }
    }

    fn push(outbox: &mut Outbox, text: &str, config: &ConnConfig) -> Result<(), Refused> {
        outbox.push(Encoded::new(&Message::from(text)).frame(None), From::Conn, config)
    }

    fn overflow(outbox: &mut Outbox, text: &str, config: &ConnConfig) -> Result<(), Refused> {
        outbox.overflow(Encoded::new(&Message::from(text)).frame(None), From::Conn, config)
    }

    fn written(outbox: &mut Outbox) -> Vec<u8> {
        let mut slices = [IoSlice::new(&[]); MAX_SLICES];
        let used = outbox.fill(&mut slices, 0);
        slices[..used].iter().flat_map(|slice| slice.to_vec()).collect()
    }

    #[test]
    fn the_outbox_is_full_at_its_bytes_and_at_its_messages() {
        let config_ = config(10, 3, SlowReader::DropNewest);
        let mut outbox = Outbox::default();
        assert_eq!(push(&mut outbox, "12345678", &config_), Ok(()), "ten bytes with its header");
        assert_eq!(push(&mut outbox, "", &config_), Err(Refused::Full));

        let mut outbox = Outbox::default();
        for _ in 0..3 {
            assert_eq!(push(&mut outbox, "", &config_), Ok(()));
        }
        assert_eq!(push(&mut outbox, "", &config_), Err(Refused::Full));
        assert_eq!(push(&mut outbox, "123456789", &config_), Err(Refused::TooLarge));
    }

    #[test]
    fn a_limit_that_was_lowered_below_what_is_queued_refuses_what_comes() {
        let mut outbox = Outbox::default();
        assert_eq!(push(&mut outbox, "12345678", &config(10, 3, SlowReader::DropNewest)), Ok(()));
        assert_eq!(push(&mut outbox, "", &config(5, 3, SlowReader::DropNewest)), Err(Refused::Full));
    }

    #[test]
    fn dropping_the_oldest_makes_room_for_the_new_one_and_is_counted() {
        let config = config(12, 10, SlowReader::DropOldest);
        let mut outbox = Outbox::default();
        for text in ["a", "b", "c", "d"] {
            assert_eq!(push(&mut outbox, text, &config), Ok(()));
        }
        assert_eq!(overflow(&mut outbox, "1234", &config), Ok(()));
        assert_eq!(written(&mut outbox), b"\x81\x01c\x81\x01d\x81\x041234");
        assert_eq!(outbox.take_dropped().oldest, 2);
    }

    #[test]
    fn disconnecting_drops_what_is_queued_and_leaves_only_the_close() {
        let config = config(12, 10, SlowReader::Disconnect);
        let mut outbox = Outbox::default();
        assert_eq!(push(&mut outbox, "0123456789", &config), Ok(()));
        assert_eq!(overflow(&mut outbox, "x", &config), Err(Refused::Full));
        let dropped = outbox.take_dropped();
        assert_eq!((dropped.unsent, dropped.newest), (1, 1));
        let frame = outbox.take_close().flatten().expect("a close frame");
        assert_eq!(frame.code(), CloseCode::TRY_AGAIN_LATER);
        assert_eq!(push(&mut outbox, "x", &config), Err(Refused::Closing));
    }

    #[test]
    fn a_close_waits_for_what_was_queued_before_it_and_goes_once() {
        let config = ConnConfig::default();
        let mut outbox = Outbox::default();
        assert_eq!(push(&mut outbox, "last words", &config), Ok(()));
        assert!(outbox.close(None));
        assert!(!outbox.close(None), "the first one counts");
        assert_eq!(outbox.take_close(), None);
        let mut rest = None;
        outbox.written(12, &mut rest);
        assert_eq!(outbox.take_close(), Some(None));
        assert_eq!(outbox.take_close(), None);
    }

    #[test]
    fn what_groups_send_waits_behind_the_greeting_and_counts_for_the_limits() {
        let config = config(12, 10, SlowReader::DropNewest);
        let mut outbox = Outbox::holding(false);
        let from_group = |outbox: &mut Outbox, text: &str| {
            outbox.push(Encoded::new(&Message::from(text)).frame(None), From::Group, &config)
        };
        assert_eq!(from_group(&mut outbox, "room"), Ok(()));
        assert_eq!(push(&mut outbox, "hi", &config), Ok(()));
        assert_eq!(push(&mut outbox, "x", &config), Err(Refused::Full));
        outbox.release();
        assert_eq!(written(&mut outbox), b"\x81\x02hi\x81\x04room");
        assert_eq!(from_group(&mut outbox, ""), Ok(()));
    }

    #[test]
    fn a_large_frame_for_many_is_copied_for_none_of_them() {
        let message = Message::from(vec![7; 1000]);
        let encoded = Encoded::shared(&message);
        let places = [(); 2].map(|()| {
            let mut outbox = Outbox::default();
            assert_eq!(outbox.push(encoded.frame(None), From::Group, &ConnConfig::default()), Ok(()));
            let mut slices = [IoSlice::new(&[]); MAX_SLICES];
            assert_eq!(outbox.fill(&mut slices, 0), 1, "header and payload are one slice");
            assert_eq!(slices[0][..5], *b"\x82\x7e\x03\xe8\x07");
            slices[0].as_ptr()
        });
        assert_eq!(places[0], places[1]);
    }

    #[test]
    fn after_any_partial_write_the_queue_starts_at_a_frame() {
        let config = ConnConfig::default();
        let texts = ["", "a", "bc", "def"];
        let all: Vec<u8> =
            texts.iter().flat_map(|t| [&[0x81, t.len() as u8], t.as_bytes()].concat()).collect();
        for cut in 0..=all.len() {
            let mut outbox = Outbox::default();
            for text in texts {
                assert_eq!(push(&mut outbox, text, &config), Ok(()));
            }
            let mut rest = None;
            let messages = outbox.written(cut, &mut rest);
            let left = written(&mut outbox);
            assert!(left.is_empty() || left[0] == 0x81, "cut at {cut}");
            assert_eq!(cut + rest.map_or(0, |rest| rest.len()) + left.len(), all.len());
            assert_eq!(messages as usize + outbox.ready.len(), texts.len());
        }
    }
}
