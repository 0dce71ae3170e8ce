//! [`List`]: which part of a list was asked for, and in which order.

use std::{borrow::Cow, cmp::Ordering};

use http::request::Parts;
use serde_json::{Value, json};

use crate::conn::query_param;

/// How many of a list are shown, unless asked otherwise, and at most.
pub(super) const PAGE: usize = 50;
const MAX_PAGE: usize = 1_000;

/// Which part of a list was asked for, and in which order.
pub(super) struct List<'a> {
    pub(super) search: Cow<'a, str>,
    pub(super) sort: Cow<'a, str>,
    descending: bool,
    skip: usize,
    limit: usize,
}

impl<'a> List<'a> {
    pub(super) fn of(parts: &'a Parts) -> Self {
        let param = |name| query_param(parts.uri.query(), name).unwrap_or_default();
        Self {
            search: param("search"),
            sort: param("sort"),
            descending: param("order") == "desc",
            skip: param("skip").parse().unwrap_or(0),
            limit: param("limit").parse().unwrap_or(PAGE).min(MAX_PAGE),
        }
    }

    /// The part, as a page of JSON.
    pub(super) fn page<T>(
        &self,
        mut all: Vec<T>,
        compare: impl Fn(&T, &T) -> Ordering,
        show: impl Fn(&T) -> Value,
    ) -> Value {
        all.sort_by(|a, b| if self.descending { compare(b, a) } else { compare(a, b) });
        let shown: Vec<_> = all.iter().skip(self.skip).take(self.limit).map(show).collect();
        json!({ "total": all.len(), "skip": self.skip, "items": shown })
    }

    pub(super) fn wants(&self, text: &str) -> bool {
        text.contains(&*self.search)
    }
}
