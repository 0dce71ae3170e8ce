//! The bytes on the wire: the frames that the generator sends, and the header that it expects back.

/// Sent with every frame (§5.3). Fixed, for the frames are built once; not zero, so that unmasking has work to do.
const MASKING_KEY: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];
/// FIN and opcode 2: a whole binary message. Binary, so that checking UTF-8 is not part of the figures.
const WHOLE_BINARY: u8 = 0x82;
/// FIN and opcode 8.
const CLOSE: u8 = 0x88;
const MASKED: u8 = 0x80;

/// A masked binary message with `payload` bytes, as a client sends it.
pub fn masked_binary(payload: usize) -> Vec<u8> {
    let payload: Vec<u8> = (0..payload).map(|index| index as u8).collect();
    masked(WHOLE_BINARY, &payload)
}

/// A masked close frame with the code 1000.
pub fn masked_close() -> Vec<u8> {
    masked(CLOSE, &1000_u16.to_be_bytes())
}

/// The header of a server's binary message with `payload` bytes.
pub fn reply_header(payload: usize) -> Vec<u8> {
    header(WHOLE_BINARY, payload, 0)
}

fn masked(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = header(first, payload.len(), MASKED);
    frame.extend(MASKING_KEY);
    frame.extend(payload.iter().zip(MASKING_KEY.iter().cycle()).map(|(byte, key)| byte ^ key));
    frame
}

/// §5.2: seven bits of length, or 126 and sixteen bits, or 127 and sixty-four.
fn header(first: u8, payload: usize, mask: u8) -> Vec<u8> {
    let mut header = vec![first];
    match payload {
        0..=125 => header.push(mask | payload as u8),
        126..=0xffff => {
            header.push(mask | 126);
            header.extend((payload as u16).to_be_bytes());
        }
        _ => {
            header.push(mask | 127);
            header.extend((payload as u64).to_be_bytes());
        }
    }
    header
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_length_has_its_own_header() {
        assert_eq!(reply_header(16), [0x82, 16]);
        assert_eq!(reply_header(1024), [0x82, 126, 4, 0]);
        assert_eq!(reply_header(65536), [0x82, 127, 0, 0, 0, 0, 0, 1, 0, 0]);
    }

    #[test]
    fn a_masked_frame_carries_the_key_before_the_payload() {
        assert_eq!(masked_close(), [0x88, 0x82, 0x37, 0xfa, 0x21, 0x3d, 0x03 ^ 0x37, 0xe8 ^ 0xfa]);
    }
}
