//! `Sec-WebSocket-Extensions`: a list of names, each with its parameters (RFC 6455 §9.1).

use std::borrow::Cow;

use crate::protocol::handshake::is_token_char;

/// One element of the list.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Extension<'a> {
    pub(super) name: &'a str,
    pub(super) parameters: Vec<(&'a str, Option<Cow<'a, str>>)>,
}

/// The header is not of that form; the handshake fails (§9.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Malformed;

/// The extensions in one line of the header. Empty elements are skipped (RFC 9110 §5.6.1).
pub(super) fn parse(line: &str) -> Result<Vec<Extension<'_>>, Malformed> {
    let mut rest = Rest(line);
    let mut extensions = Vec::new();
    loop {
        while rest.takes(',') {}
        if rest.is_empty() {
            return Ok(extensions);
        }
        extensions.push(rest.extension()?);
        if !rest.is_empty() && !rest.takes(',') {
            return Err(Malformed);
        }
    }
}

/// What is still to be read of a line.
struct Rest<'a>(&'a str);

impl<'a> Rest<'a> {
    fn extension(&mut self) -> Result<Extension<'a>, Malformed> {
        let name = self.token()?;
        let mut parameters = Vec::new();
        while self.takes(';') {
            let name = self.token()?;
            let value = if self.takes('=') { Some(self.value()?) } else { None };
            parameters.push((name, value));
        }
        Ok(Extension { name, parameters })
    }

    fn skip_space(&mut self) {
        self.0 = self.0.trim_start_matches([' ', '\t']);
    }

    fn is_empty(&mut self) -> bool {
        self.skip_space();
        self.0.is_empty()
    }

    fn takes(&mut self, wanted: char) -> bool {
        self.skip_space();
        let rest = self.0.strip_prefix(wanted);
        self.0 = rest.unwrap_or(self.0);
        rest.is_some()
    }

    fn token(&mut self) -> Result<&'a str, Malformed> {
        self.skip_space();
        let end = self.0.bytes().position(|byte| !is_token_char(byte)).unwrap_or(self.0.len());
        let (token, rest) = self.0.split_at(end);
        self.0 = rest;
        if token.is_empty() { Err(Malformed) } else { Ok(token) }
    }

    /// A token, or a quoted string whose content is one.
    fn value(&mut self) -> Result<Cow<'a, str>, Malformed> {
        if !self.takes('"') {
            return self.token().map(Cow::Borrowed);
        }
        let mut content = String::new();
        let mut chars = self.0.chars();
        loop {
            match chars.next().ok_or(Malformed)? {
                '"' => break,
                '\\' => content.push(chars.next().ok_or(Malformed)?),
                other => content.push(other),
            }
        }
        self.0 = chars.as_str();
        let is_token = !content.is_empty() && content.bytes().all(is_token_char);
        if is_token { Ok(content.into()) } else { Err(Malformed) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(line: &str) -> Result<Vec<String>, Malformed> {
        let show = |extension: Extension<'_>| {
            let parameters = extension.parameters.into_iter().map(|(name, value)| match value {
                Some(value) => format!("; {name}={value}"),
                None => format!("; {name}"),
            });
            extension.name.to_owned() + &parameters.collect::<String>()
        };
        Ok(parse(line)?.into_iter().map(show).collect())
    }

    #[test]
    fn a_list_is_read_with_spaces_empty_elements_and_quotes() {
        assert_eq!(names(""), Ok(vec![]));
        assert_eq!(names(" , ,\t"), Ok(vec![]));
        assert_eq!(names("a,b ;c;d = 1 ,, e"), Ok(vec!["a".into(), "b; c; d=1".into(), "e".into()]));
        assert_eq!(names(r#"a; b="1\5"; c="x""#), Ok(vec!["a; b=15; c=x".into()]));
    }

    #[test]
    fn what_is_no_list_is_malformed() {
        for line in [
            ";",
            "a;",
            "a; ;b",
            "a b",
            "a; b=",
            "a; =b",
            "a=1",
            r#"a; b="1"#,
            r#"a; b="1\"#,
            r#"a; b="""#,
            r#"a; b="1,2""#,
            r#"a; b="1 ""#,
            r#"a; b="1"2"#,
            r#""a""#,
            "a/b",
            "é",
        ] {
            assert_eq!(names(line), Err(Malformed), "{line}");
        }
    }
}
