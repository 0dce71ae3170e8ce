//! Frame headers (§5.2): what stands before each payload.

use super::error::ProtocolError;

/// The longest header there is: two bytes, eight of length, four of masking key.
pub(crate) const MAX_HEADER: usize = 14;

/// The longest payload of a control frame (§5.5).
pub(crate) const MAX_CONTROL_PAYLOAD: usize = 125;

/// The reserved bit that marks a compressed message (RFC 7692 §6).
const RSV1: u8 = 0x40;

/// What a frame is for (§5.2, §11.8).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OpCode {
    Continuation = 0x0,
    Text = 0x1,
    Binary = 0x2,
    Close = 0x8,
    Ping = 0x9,
    Pong = 0xA,
}

impl OpCode {
    fn from_bits(bits: u8) -> Result<Self, ProtocolError> {
        match bits {
            0x0 => Ok(Self::Continuation),
            0x1 => Ok(Self::Text),
            0x2 => Ok(Self::Binary),
            0x8 => Ok(Self::Close),
            0x9 => Ok(Self::Ping),
            0xA => Ok(Self::Pong),
            unknown => Err(ProtocolError::UnknownOpCode(unknown)),
        }
    }

    pub(crate) fn is_control(self) -> bool {
        self as u8 & 0x8 != 0
    }
}

/// One frame's header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) fin: bool,
    /// The message that begins here is compressed: RSV1.
    pub(crate) compressed: bool,
    pub(crate) opcode: OpCode,
    pub(crate) mask: Option<[u8; 4]>,
    pub(crate) len: u64,
}

impl Header {
    /// Reads the header at the start of `bytes`, and how many bytes it takes; `None` when `bytes` ends
    /// before the header does.
    ///
    /// A length that could have been written in fewer bytes is taken as it is: §5.2 forbids sending
    /// it, but it harms nobody who receives it. `compression` says whether messages may be compressed.
    pub(crate) fn parse(bytes: &[u8], compression: bool) -> Result<Option<(Self, usize)>, ProtocolError> {
        let &[first, second, ref rest @ ..] = bytes else {
            // What can be known from one byte is refused at once.
            if let &[first] = bytes {
                check_first(first, compression)?;
            }
            return Ok(None);
        };
        let opcode = check_first(first, compression)?;

        let (len, len_size) = match second & 0x7F {
            126 => match rest.first_chunk::<2>() {
                Some(bytes) => (u64::from(u16::from_be_bytes(*bytes)), 2),
                None => return Ok(None),
            },
            127 => match rest.first_chunk::<8>() {
                Some(bytes) => (u64::from_be_bytes(*bytes), 8),
                None => return Ok(None),
            },
            short => (u64::from(short), 0),
        };
        if len > i64::MAX as u64 {
            // §5.2: the most significant bit must be 0.
            return Err(ProtocolError::LengthOverflow);
        }

        let (mask, mask_size) = if second & 0x80 == 0 {
            (None, 0)
        } else {
            match rest[len_size..].first_chunk::<4>() {
                Some(key) => (Some(*key), 4),
                None => return Ok(None),
            }
        };
        let header = Self { fin: first & 0x80 != 0, compressed: first & RSV1 != 0, opcode, mask, len };
        Ok(Some((header, 2 + len_size + mask_size)))
    }

    /// Writes the header to the start of `out` and tells how many bytes it took.
    #[inline]
    pub(crate) fn write(&self, out: &mut [u8; MAX_HEADER]) -> usize {
        let rsv1 = if self.compressed { RSV1 } else { 0 };
        out[0] = (u8::from(self.fin) << 7) | rsv1 | self.opcode as u8;
        let mut end = match self.len {
            0..=125 => {
                out[1] = self.len as u8;
                2
            }
            126..=0xFFFF => {
                out[1] = 126;
                out[2..4].copy_from_slice(&(self.len as u16).to_be_bytes());
                4
            }
            _ => {
                out[1] = 127;
                out[2..10].copy_from_slice(&self.len.to_be_bytes());
                10
            }
        };
        if let Some(key) = self.mask {
            out[1] |= 0x80;
            out[end..end + 4].copy_from_slice(&key);
            end += 4;
        }
        end
    }
}

/// With `compression`, RSV1 may mark the first frame of a message (RFC 7692 §6), and no other frame.
fn check_first(first: u8, compression: bool) -> Result<OpCode, ProtocolError> {
    let opcode = OpCode::from_bits(first & 0x0F);
    let may_be_compressed = compression && matches!(opcode, Ok(OpCode::Text | OpCode::Binary));
    let allowed = if may_be_compressed { RSV1 } else { 0 };
    if first & 0x70 & !allowed != 0 {
        return Err(ProtocolError::ReservedBits);
    }
    opcode
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(len: u64, mask: Option<[u8; 4]>) -> Header {
        Header { fin: true, compressed: false, opcode: OpCode::Binary, mask, len }
    }

    #[test]
    fn a_header_reads_back_as_it_was_written_at_every_length_boundary() {
        for len in [0, 1, 125, 126, 127, 0xFFFF, 0x1_0000, i64::MAX as u64] {
            for mask in [None, Some([1, 2, 3, 4])] {
                let mut bytes = [0; MAX_HEADER];
                let size = header(len, mask).write(&mut bytes);
                assert_eq!(Header::parse(&bytes[..size], false), Ok(Some((header(len, mask), size))));
                for cut in 0..size {
                    assert_eq!(Header::parse(&bytes[..cut], false), Ok(None), "cut at {cut}");
                }
            }
        }
    }

    #[test]
    fn a_length_with_its_highest_bit_set_is_refused() {
        let bytes = [0x82, 127, 0x80, 0, 0, 0, 0, 0, 0, 0];
        assert_eq!(Header::parse(&bytes, false), Err(ProtocolError::LengthOverflow));
    }

    #[test]
    fn reserved_bits_and_unknown_opcodes_are_refused_at_the_first_byte() {
        for bits in [0x40, 0x20, 0x10] {
            assert_eq!(Header::parse(&[0x81 | bits], false), Err(ProtocolError::ReservedBits));
        }
        for opcode in [3, 7, 11, 15] {
            assert_eq!(Header::parse(&[0x80 | opcode], true), Err(ProtocolError::UnknownOpCode(opcode)));
        }
    }

    #[test]
    fn with_compression_the_first_bit_may_be_set_where_a_message_begins_and_nowhere_else() {
        for first in [0x41, 0x42, 0xC1, 0xC2] {
            assert_eq!(Header::parse(&[first], true), Ok(None), "{first:#x}");
            let header = Header::parse(&[first, 0], true).unwrap().unwrap().0;
            assert!(header.compressed);
            let mut out = [0; MAX_HEADER];
            assert_eq!((header.write(&mut out), out[0]), (2, first));
        }
        for first in [0x40, 0xC0, 0xC8, 0xC9, 0xCA, 0x61, 0x51, 0xA1, 0x91] {
            assert_eq!(Header::parse(&[first], true), Err(ProtocolError::ReservedBits), "{first:#x}");
        }
    }
}
