//! UTF-8 checked piece by piece, so that bad text fails at its first bad byte and not at its end (§8.1).

/// The check of one text message; what it carries between pieces is at most three bytes.
#[derive(Debug, Default, Clone)]
pub(crate) struct Utf8 {
    unfinished: [u8; 4],
    len: u8,
}

/// The text holds bytes that are no UTF-8.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct InvalidUtf8;

impl Utf8 {
    /// Checks the next piece of the text.
    pub(crate) fn push(&mut self, mut piece: &[u8]) -> Result<(), InvalidUtf8> {
        while self.len > 0 {
            let Some((&byte, rest)) = piece.split_first() else { return Ok(()) };
            piece = rest;
            self.unfinished[usize::from(self.len)] = byte;
            self.len += 1;
            match std::str::from_utf8(&self.unfinished[..usize::from(self.len)]) {
                Ok(_) => self.len = 0,
                Err(error) if error.error_len().is_some() => return Err(InvalidUtf8),
                Err(_) => {}
            }
        }
        match std::str::from_utf8(piece) {
            Ok(_) => Ok(()),
            Err(error) if error.error_len().is_some() => Err(InvalidUtf8),
            Err(error) => {
                let tail = &piece[error.valid_up_to()..];
                self.unfinished[..tail.len()].copy_from_slice(tail);
                self.len = tail.len() as u8;
                Ok(())
            }
        }
    }

    /// Ends the text, which must not end within a character.
    pub(crate) fn finish(&self) -> Result<(), InvalidUtf8> {
        if self.len == 0 { Ok(()) } else { Err(InvalidUtf8) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(pieces: &[&[u8]]) -> Result<(), InvalidUtf8> {
        let mut utf8 = Utf8::default();
        pieces.iter().try_for_each(|piece| utf8.push(piece))?;
        utf8.finish()
    }

    #[test]
    fn text_cut_anywhere_is_judged_as_in_one_piece() {
        let samples: [&[u8]; 8] = [
            "Hello-µ@ßöäüàá-UTF-8!!".as_bytes(),
            "κόσμε 🦀 \u{10FFFF}".as_bytes(),
            b"\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5\xed\xa0\x80edited",
            b"\xf4\x90\x80\x80",
            b"\xc0\xaf",
            b"\xe2\x82",
            b"\x80",
            b"",
        ];
        for sample in samples {
            let whole = std::str::from_utf8(sample).map(|_| ()).map_err(|_| InvalidUtf8);
            for i in 0..=sample.len() {
                for j in i..=sample.len() {
                    assert_eq!(
                        check(&[&sample[..i], &sample[i..j], &sample[j..]]),
                        whole,
                        "{sample:x?} at {i}, {j}"
                    );
                }
            }
        }
    }

    #[test]
    fn a_bad_byte_fails_before_the_text_ends() {
        let mut utf8 = Utf8::default();
        assert_eq!(utf8.push(b"\xf4"), Ok(()));
        assert_eq!(utf8.push(b"\x90"), Err(InvalidUtf8), "U+110000 and above do not exist");
    }
}
