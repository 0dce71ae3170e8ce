//! [`Escaped`]: an error as it may stand in a log.

use std::{error::Error, fmt};

/// The texts of an error and of its sources, with control characters and the like escaped.
///
/// An application's error may quote what a peer sent. `Display` writes a line break in it as it is, and the log
/// would have a line that nobody but the peer has written.
#[derive(Debug)]
pub(crate) struct Escaped {
    text: String,
    source: Option<Box<Self>>,
}

impl Escaped {
    pub(crate) fn new(error: &(dyn Error + 'static)) -> Self {
        let mut text = String::new();
        for char in error.to_string().chars() {
            match char {
                '"' | '\'' => text.push(char),
                _ => text.extend(char.escape_debug()),
            }
        }
        Self { text, source: error.source().map(|source| Box::new(Self::new(source))) }
    }
}

impl fmt::Display for Escaped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Error for Escaped {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_deref().map(|source| source as _)
    }
}
