//! [`Receiver`]: bytes from a peer, cut anywhere, become messages and control frames.

use bytes::{Buf, Bytes, BytesMut};

use super::{
    batch::Batch,
    close::CloseFrame,
    deflate::Inflater,
    error::ProtocolError,
    frame::{Header, MAX_CONTROL_PAYLOAD, MAX_HEADER, OpCode},
    mask,
    message::Message,
    text::Text,
    utf8::Utf8,
};

/// From this many missing bytes on a payload is read straight into its own buffer.
const IN_PLACE_MIN: usize = 16 * 1024;

/// At most this much is reserved at once for a payload that was announced and is not here. Beyond it the buffer
/// grows with what comes, so that no announcement makes the allocator give up, however high the limit.
const RESERVE_MAX: usize = 4 * 1024 * 1024;

/// What a peer may send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Limits {
    /// Bytes of one message, over all its fragments.
    pub(crate) max_message_size: usize,
    /// Frames of one message, empty ones counted.
    pub(crate) max_fragments: usize,
}

/// What the peer sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Event {
    Message(Message),
    Ping(Bytes),
    Pong(Bytes),
    /// The last event: after a close frame nothing more is read (§5.5.1).
    Close(Option<CloseFrame>),
}

/// The receiving half of a server's connection.
///
/// It holds no buffer while it is idle: bytes come in by reference, and only an unfinished frame or
/// message stays here. Limits are checked before memory is reserved.
#[derive(Debug)]
pub(crate) struct Receiver {
    limits: Limits,
    /// The start of a header that is not here whole.
    header: [u8; MAX_HEADER],
    header_len: u8,
    /// The frame whose payload is being received.
    frame: Option<Frame>,
    /// The payload of a control frame that is not here whole.
    control: Option<Box<BytesMut>>,
    /// The message whose frames are being received. Boxed, as the above, since mostly there is none.
    message: Option<Box<Partial>>,
    /// Messages that are here whole.
    batch: Batch,
    /// The size of the last message, if it was large: the next one may be, too.
    large: usize,
    /// There if messages may be compressed.
    inflater: Option<Box<Inflater>>,
}

#[derive(Debug)]
struct Frame {
    opcode: OpCode,
    fin: bool,
    compressed: bool,
    /// Turned to the next byte of the payload.
    key: [u8; 4],
    missing: usize,
}

#[derive(Debug)]
struct Partial {
    data: BytesMut,
    /// The check of a text message; `None` for a binary one.
    utf8: Option<Utf8>,
    fragments: usize,
    compressed: bool,
}

impl Receiver {
    pub(crate) fn new(limits: Limits) -> Self {
        Self {
            limits,
            inflater: None,
            header: [0; MAX_HEADER],
            header_len: 0,
            frame: None,
            control: None,
            message: None,
            batch: Batch::default(),
            large: 0,
        }
    }

    /// Takes compressed messages too.
    pub(crate) fn inflating(self, inflater: Option<Inflater>) -> Self {
        Self { inflater: inflater.map(Box::new), ..self }
    }

    /// Applies to every frame whose header comes from here on.
    pub(crate) fn set_limits(&mut self, limits: Limits) {
        self.limits = limits;
    }

    /// Takes bytes from the front of `input` until they make an event or there are no more.
    ///
    /// After an error the connection has failed, and what comes later means nothing.
    pub(crate) fn next(&mut self, input: &mut &[u8]) -> Result<Option<Event>, ProtocolError> {
        if let Some(message) = self.batched()? {
            return Ok(Some(Event::Message(message)));
        }
        loop {
            if self.frame.is_none() {
                if self.message.is_none() && self.header_len == 0 {
                    self.batch.gather(input, self.limits.max_message_size);
                    if let Some(message) = self.batched()? {
                        return Ok(Some(Event::Message(message)));
                    }
                }
                let Some(header) = self.read_header(input)? else { return Ok(None) };
                let frame = self.begin(&header)?;
                if let Some(event) = self.whole(&frame, input)? {
                    return Ok(Some(event));
                }
                self.frame = Some(frame);
            }
            if let Some(event) = self.read_payload(input)? {
                return Ok(Some(event));
            }
            if input.is_empty() {
                return Ok(None);
            }
        }
    }

    /// Where to read the next bytes to, and how many of them at most, when much of a payload is missing.
    /// Tell [`filled`](Self::filled) how many came.
    pub(crate) fn in_place(&mut self) -> Option<(&mut BytesMut, usize)> {
        let missing = self.frame.as_ref()?.missing;
        let partial = self.message.as_mut().filter(|partial| !partial.compressed)?;
        if missing < IN_PLACE_MIN {
            return None;
        }
        let data = &mut partial.data;
        if data.capacity() == data.len() {
            data.reserve(missing.min(RESERVE_MAX));
        }
        let room = missing.min(data.capacity() - data.len());
        Some((data, room))
    }

    /// `count` masked bytes were added to the buffer that [`in_place`](Self::in_place) gave.
    pub(crate) fn filled(&mut self, count: usize) -> Result<Option<Event>, ProtocolError> {
        let (Some(frame), Some(partial)) = (&mut self.frame, &mut self.message) else { return Ok(None) };
        let start = partial.data.len() - count;
        frame.take(&mut partial.data[start..]);
        partial.check_from(start)?;
        if frame.missing > 0 { Ok(None) } else { self.end_of_frame() }
    }

    /// The next of the messages that came together.
    #[inline]
    pub(crate) fn batched(&mut self) -> Result<Option<Message>, ProtocolError> {
        if self.batch.is_empty() {
            return Ok(None);
        }
        self.batch.next().map(|(opcode, payload)| message(opcode, payload)).transpose()
    }

    /// A buffer for the next bytes, if they may well be a large message like the one before, and not to be grown for
    /// them. [`adopt`](Self::adopt) takes it.
    pub(crate) fn expected(&self) -> Option<BytesMut> {
        if self.large == 0 || self.frame.is_some() || self.message.is_some() || self.header_len > 0 {
            return None;
        }
        Some(BytesMut::with_capacity(MAX_HEADER + self.large.min(RESERVE_MAX)))
    }

    /// Makes the start of a message of what was read, which it then stays in. If it is something else, `bytes` are left
    /// as they are.
    pub(crate) fn adopt(&mut self, bytes: &mut BytesMut) -> Result<Option<Event>, ProtocolError> {
        self.large = 0;
        let Some((header, size)) = Header::parse(bytes, self.inflater.is_some())? else { return Ok(None) };
        let is_data = matches!(header.opcode, OpCode::Text | OpCode::Binary) && !header.compressed;
        let len = bytes.len() - size;
        if !is_data || header.len < IN_PLACE_MIN.max(len) as u64 {
            return Ok(None);
        }
        let frame = self.begin(&header)?;
        bytes.advance(size);
        self.message = Some(Box::new(Partial::of(&frame, std::mem::take(bytes))));
        self.frame = Some(frame);
        self.filled(len)
    }

    /// Whether there is a message for which no more bytes are needed.
    #[inline]
    pub(crate) fn has_batch(&self) -> bool {
        !self.batch.is_empty()
    }

    fn note_size(&mut self, len: usize) {
        self.large = if len < IN_PLACE_MIN { 0 } else { len };
    }

    fn read_header(&mut self, input: &mut &[u8]) -> Result<Option<Header>, ProtocolError> {
        let compression = self.inflater.is_some();
        if self.header_len == 0
            && let Some((header, size)) = Header::parse(input, compression)?
        {
            *input = &input[size..];
            return Ok(Some(header));
        }
        while let Some((&byte, rest)) = input.split_first() {
            *input = rest;
            self.header[usize::from(self.header_len)] = byte;
            self.header_len += 1;
            if let Some((header, _)) =
                Header::parse(&self.header[..usize::from(self.header_len)], compression)?
            {
                self.header_len = 0;
                return Ok(Some(header));
            }
        }
        Ok(None)
    }

    /// Checks a frame against what came before it and against the limits (§5.1, §5.4, §5.5).
    fn begin(&mut self, header: &Header) -> Result<Frame, ProtocolError> {
        let key = header.mask.ok_or(ProtocolError::Unmasked)?;
        if header.opcode.is_control() {
            if !header.fin {
                return Err(ProtocolError::FragmentedControl);
            }
            if header.len > MAX_CONTROL_PAYLOAD as u64 {
                return Err(ProtocolError::OversizedControl);
            }
        } else {
            let Limits { max_message_size, max_fragments } = self.limits;
            let (received, fragments, compressed) = match (&self.message, header.opcode) {
                (Some(partial), OpCode::Continuation) => {
                    (partial.data.len(), partial.fragments, partial.compressed)
                }
                (None, OpCode::Continuation) => return Err(ProtocolError::UnexpectedContinuation),
                (Some(_), _) => return Err(ProtocolError::UnfinishedMessage),
                (None, _) => (0, 0, header.compressed),
            };
            // What is compressed is not kept, and what it holds is counted while it inflates.
            let room = if compressed { usize::MAX } else { max_message_size.saturating_sub(received) };
            if header.len > room as u64 {
                return Err(ProtocolError::MessageTooBig { limit: max_message_size });
            }
            if fragments >= max_fragments {
                return Err(ProtocolError::TooManyFragments { limit: max_fragments });
            }
        }
        // Fits: it is within a limit that is a usize, or at most 125.
        let missing = header.len as usize;
        Ok(Frame { opcode: header.opcode, fin: header.fin, compressed: header.compressed, key, missing })
    }

    /// The common case: a frame that is a message or control frame of its own, with its payload at hand.
    fn whole(&mut self, frame: &Frame, input: &mut &[u8]) -> Result<Option<Event>, ProtocolError> {
        let alone = frame.fin && frame.opcode != OpCode::Continuation && !frame.compressed;
        if !alone || input.len() < frame.missing {
            return Ok(None);
        }
        let (payload, rest) = input.split_at(frame.missing);
        *input = rest;
        let mut own = BytesMut::from(payload);
        mask::apply(&mut own, frame.key);
        let payload = own.freeze();
        if frame.opcode.is_control() {
            return control(frame.opcode, payload).map(Some);
        }
        self.note_size(payload.len());
        message(frame.opcode, payload).map(|message| Some(Event::Message(message)))
    }

    /// Takes what `input` has of the current frame's payload.
    fn read_payload(&mut self, input: &mut &[u8]) -> Result<Option<Event>, ProtocolError> {
        let Some(frame) = &mut self.frame else { return Ok(None) };
        let (piece, rest) = input.split_at(frame.missing.min(input.len()));
        *input = rest;
        if frame.opcode.is_control() {
            let control = self.control.get_or_insert_default();
            let start = control.len();
            control.extend_from_slice(piece);
            frame.take(&mut control[start..]);
        } else {
            let partial = self.message.get_or_insert_with(|| Box::new(Partial::of(frame, BytesMut::new())));
            let start = partial.data.len();
            if let Some(inflater) = self.inflater.as_mut().filter(|_| partial.compressed) {
                let limit = self.limits.max_message_size;
                inflate(inflater, frame, piece, limit, &mut partial.data)?;
                if frame.fin && frame.missing == 0 {
                    inflater.finish(limit, &mut partial.data)?;
                }
                partial.check_from(start)?;
                return if frame.missing > 0 { Ok(None) } else { self.end_of_frame() };
            }
            // Once per frame, unless it is huge. Memory that is reserved and never written to is not resident.
            partial.data.reserve(frame.missing.min(RESERVE_MAX.max(piece.len())));
            partial.data.extend_from_slice(piece);
            frame.take(&mut partial.data[start..]);
            partial.check_from(start)?;
        }
        if frame.missing > 0 { Ok(None) } else { self.end_of_frame() }
    }

    fn end_of_frame(&mut self) -> Result<Option<Event>, ProtocolError> {
        let Some(frame) = self.frame.take() else { return Ok(None) };
        if frame.opcode.is_control() {
            let payload = self.control.take().map_or_else(Bytes::new, |payload| payload.freeze());
            return control(frame.opcode, payload).map(Some);
        }
        if !frame.fin {
            if let Some(partial) = &mut self.message {
                partial.fragments += 1;
            }
            return Ok(None);
        }
        let Some(partial) = self.message.take() else { return Ok(None) };
        if partial.fragments == 0 && !partial.compressed {
            self.note_size(partial.data.len());
        }
        partial.finish().map(|message| Some(Event::Message(message)))
    }
}

impl Frame {
    /// Unmasks the next bytes of the payload.
    fn take(&mut self, piece: &mut [u8]) {
        mask::apply(piece, self.key);
        self.key = mask::turned(self.key, piece.len());
        self.missing -= piece.len();
    }
}

impl Partial {
    /// The message that begins with `frame`.
    fn of(frame: &Frame, data: BytesMut) -> Self {
        let utf8 = (frame.opcode == OpCode::Text).then(Utf8::default);
        Self { data, utf8, fragments: 0, compressed: frame.compressed }
    }

    fn check_from(&mut self, start: usize) -> Result<(), ProtocolError> {
        match &mut self.utf8 {
            Some(utf8) => Ok(utf8.push(&self.data[start..])?),
            None => Ok(()),
        }
    }

    fn finish(self) -> Result<Message, ProtocolError> {
        let data = self.data.freeze();
        match self.utf8 {
            Some(utf8) => {
                utf8.finish()?;
                Ok(Message::Text(Text::from_checked(data)))
            }
            None => Ok(Message::Binary(data)),
        }
    }
}

/// Inflates the next piece of a frame, unmasked in small steps: what is compressed is kept nowhere.
fn inflate(
    inflater: &mut Inflater,
    frame: &mut Frame,
    piece: &[u8],
    limit: usize,
    content: &mut BytesMut,
) -> Result<(), ProtocolError> {
    let mut unmasked = [0; 4096];
    for step in piece.chunks(unmasked.len()) {
        let unmasked = &mut unmasked[..step.len()];
        unmasked.copy_from_slice(step);
        frame.take(unmasked);
        inflater.push(unmasked, limit, content)?;
    }
    Ok(())
}

/// A message that came in one piece.
fn message(opcode: OpCode, payload: Bytes) -> Result<Message, ProtocolError> {
    if opcode == OpCode::Text {
        Text::try_from(payload).map(Message::Text).map_err(|_| ProtocolError::InvalidUtf8)
    } else {
        Ok(Message::Binary(payload))
    }
}

fn control(opcode: OpCode, payload: Bytes) -> Result<Event, ProtocolError> {
    match opcode {
        OpCode::Ping => Ok(Event::Ping(payload)),
        OpCode::Pong => Ok(Event::Pong(payload)),
        _ => CloseFrame::parse(&payload).map(Event::Close),
    }
}

#[cfg(test)]
#[path = "receiver_tests.rs"]
mod tests;

#[cfg(test)]
#[path = "receiver_limit_tests.rs"]
mod limit_tests;
