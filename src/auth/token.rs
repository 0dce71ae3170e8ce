//! [`Token`]: a credential that shows itself to nobody who did not ask.

use std::{fmt, hint::black_box};

/// A credential. It has no `Display`, and its `Debug` does not show it: [`expose`](Self::expose) does.
#[derive(Clone)]
pub struct Token(Box<str>);

impl Token {
    /// Takes a credential that was found elsewhere.
    pub fn new(token: impl Into<Box<str>>) -> Self {
        Self(token.into())
    }

    /// The credential itself. Keep it out of logs and errors.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Whether it is `secret`. How long that takes does not depend on where they differ.
    pub fn matches(&self, secret: &str) -> bool {
        let (ours, theirs) = (self.0.as_bytes(), secret.as_bytes());
        let differ = ours.iter().zip(theirs).fold(0, |differ, (a, b)| black_box(differ | (a ^ b)));
        ours.len() == theirs.len() && differ == 0
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_matches_only_itself() {
        let token = Token::new("let-me-in");
        assert!(token.matches("let-me-in"));
        for other in ["", "let-me-i", "let-me-in!", "Let-me-in"] {
            assert!(!token.matches(other), "{other}");
        }
        assert_eq!(format!("{token:?}"), "Token(..)");
    }
}
