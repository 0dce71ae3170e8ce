//! Compressed messages (permessage-deflate, RFC 7692): documents to send, and the proof that they come back.

use std::io::Write;
use std::net::SocketAddr;

use anyhow::{Context, Result, ensure};
use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress};

use crate::connect;
use crate::dialect::Dialect;
use crate::wire;

/// More than a window of 32 KiB holds, so that no document is found whole in the dictionary.
const DOCUMENTS: usize = 64;
const LENGTH: usize = 1024;
/// What ends each message and is not sent (RFC 7692, 7.2.1).
const TAIL: [u8; 4] = [0, 0, 0xff, 0xff];

/// Documents such as a trading or a chat service sends: the same keys, other values.
pub fn documents() -> impl Iterator<Item = String> {
    // A fixed sequence, so that every run and every server compresses the same.
    let mut state: u64 = 0x2545_f491_4f6c_dd1d;
    let mut random = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    (0..DOCUMENTS).map(move |number| {
        let mut text = format!("{{\"type\":\"trades\",\"seq\":{number},\"items\":[");
        while text.len() < LENGTH - 110 {
            let comma = if text.ends_with('[') { "" } else { "," };
            let side = if random() % 2 == 0 { "buy" } else { "sell" };
            let (id, price, size) = (random() % 100_000_000, random() % 5_000_000, random() % 900);
            text += &format!(
                "{comma}{{\"id\":{id},\"symbol\":\"EUR-{}\",\"price\":\"{}.{:02}\",\"size\":{size},\"side\":\"{side}\"}}",
                ["USD", "GBP", "CHF", "JPY"][(random() % 4) as usize],
                price / 100,
                price % 100,
            );
        }
        text += "],\"note\":\"";
        let missing = LENGTH - text.len() - 2;
        text += &" -".repeat(LENGTH)[..missing];
        text + "\"}"
    })
}

/// One message by itself, which every server can read, whatever it remembers.
pub fn deflate(message: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(message.len() + 64);
    Compress::new(Compression::default(), false)
        .compress_vec(message, &mut out, FlushCompress::Sync)
        .expect("the buffer is large enough");
    out.truncate(out.len() - TAIL.len());
    out
}

/// Shows with a few messages that what comes back is what was sent.
///
/// # Errors
///
/// When a reply is not compressed, or another message.
pub fn verify(address: SocketAddr, dialect: &Dialect) -> Result<()> {
    let mut stream = connect::open(address, dialect)?;
    // Keeps what came before for a dictionary, which does no harm where a server does not use it.
    let mut inflate = Decompress::new(false);
    let messages = wire::messages(dialect);
    for (document, message) in documents().zip(&messages).take(8) {
        stream.write_all(message)?;
        let (first, mut payload) = connect::read_frame(&mut stream)?;
        ensure!(first == wire::COMPRESSED_TEXT, "a reply begins {first:02x}, which is no compressed text");
        payload.extend(TAIL);
        let mut text = Vec::with_capacity(2 * LENGTH);
        inflate
            .decompress_vec(&payload, &mut text, FlushDecompress::Sync)
            .context("a reply's compression")?;
        ensure!(text == document.as_bytes(), "a reply is not what was sent");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documents_are_json_of_one_kibibyte() {
        for document in documents() {
            assert_eq!(document.len(), LENGTH);
            serde_json::from_str::<serde_json::Value>(&document).unwrap();
        }
    }
}
