//! [`Redact`]: takes the values of some JSON fields out of what is shown.

use std::sync::Arc;

/// The names of fields whose values nobody is shown.
#[derive(Clone, Default)]
pub(super) struct Redact {
    names: Arc<[String]>,
}

impl Redact {
    pub(super) fn fields<N: Into<String>>(names: impl IntoIterator<Item = N>) -> Self {
        Self { names: names.into_iter().map(Into::into).collect() }
    }

    /// Whether anything is taken out.
    pub(super) fn is_on(&self) -> bool {
        !self.names.is_empty()
    }

    /// Puts `"***"` in the place of the values, wherever they stand. What is shown is only the beginning of a message,
    /// which may end within a value; so it is not parsed, and a value goes to where it ends or to the end.
    pub(super) fn apply(&self, text: &mut String) {
        for name in &*self.names {
            let key = format!("\"{name}\"");
            let mut from = 0;
            while let Some(at) = text[from..].find(&key) {
                let after = from + at + key.len();
                let value = &text[after..];
                let Some(value) = value.trim_start().strip_prefix(':').map(str::trim_start) else {
                    from = after;
                    continue;
                };
                let start = text.len() - value.len();
                let end = start + value_len(value);
                text.replace_range(start..end, "\"***\"");
                from = start + 5;
            }
        }
    }
}

/// How many bytes the JSON value takes that the text begins with.
fn value_len(text: &str) -> usize {
    let (mut depth, mut in_string, mut escaped) = (0_usize, false, false);
    for (at, byte) in text.bytes().enumerate() {
        let ends = match byte {
            _ if escaped => {
                escaped = false;
                false
            }
            b'\\' if in_string => {
                escaped = true;
                false
            }
            b'"' => {
                in_string = !in_string;
                !in_string && depth == 0
            }
            _ if in_string => false,
            b'{' | b'[' => {
                depth += 1;
                false
            }
            b'}' | b']' if depth > 0 => {
                depth -= 1;
                depth == 0
            }
            // The end of a number, `true` or `null`.
            b',' | b'}' | b']' if depth == 0 => return at,
            _ => false,
        };
        if ends {
            return at + 1;
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn redacted(text: &str) -> String {
        let mut text = text.to_owned();
        Redact::fields(["password", "token"]).apply(&mut text);
        text
    }

    #[test]
    fn values_of_any_kind_are_taken_out_wherever_they_stand() {
        for (text, expected) in [
            (r#"{"password":"s3cret","a":1}"#, r#"{"password":"***","a":1}"#),
            (r#"{"a":{"token" : 17}}"#, r#"{"a":{"token" : "***"}}"#),
            (r#"{"token":{"a":["}","x"]},"b":2}"#, r#"{"token":"***","b":2}"#),
            (r#"{"password":"with \" quote","b":2}"#, r#"{"password":"***","b":2}"#),
            (r#"{"password":null}"#, r#"{"password":"***"}"#),
            (r#"[{"token":"a"},{"token":"b"}]"#, r#"[{"token":"***"},{"token":"***"}]"#),
        ] {
            assert_eq!(redacted(text), expected);
        }
    }

    #[test]
    fn a_value_that_is_cut_off_is_taken_out_to_the_end() {
        assert_eq!(redacted(r#"{"password":"s3cr"#), r#"{"password":"***""#);
        assert_eq!(redacted(r#"{"password":"ends with \"#), r#"{"password":"***""#);
        assert_eq!(redacted(r#"{"password":"#), r#"{"password":"***""#);
    }

    #[test]
    fn what_is_no_field_of_that_name_stays() {
        for text in [r#"{"passwords":"a"}"#, r#"["password"]"#, "password: x", "", "\"token\""] {
            assert_eq!(redacted(text), text);
        }
    }
}
