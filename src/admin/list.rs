//! [`List`]: which part of a list was asked for, and in which order.

use std::{borrow::Cow, cmp::Ordering};

use http::request::Parts;
use serde_json::{Value, json};

use crate::{
    conn::query_param,
    hub::{Gathered, Listing},
};

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

    /// What nodes are asked for, so that the part can be found in their answers.
    pub(super) fn listing(&self) -> Listing {
        Listing {
            search: self.search.clone().into_owned(),
            sort: self.sort.clone().into_owned(),
            descending: self.descending,
            take: self.skip.saturating_add(self.limit),
            ..Listing::default()
        }
    }

    pub(super) fn sort<T>(&self, all: &mut [T], compare: impl Fn(&T, &T) -> Ordering) {
        all.sort_by(|a, b| if self.descending { compare(b, a) } else { compare(a, b) });
    }

    /// The part as a page of JSON, of a list of which this is the beginning, or all; with what is missing in it.
    pub(super) fn page<T, G>(
        &self,
        total: usize,
        sorted: &[T],
        show: impl Fn(&T) -> Value,
        gathered: &Gathered<G>,
    ) -> Value {
        let shown: Vec<_> = sorted.iter().skip(self.skip).take(self.limit).map(show).collect();
        let missing: Vec<_> = gathered.missing.iter().map(ToString::to_string).collect();
        let truncated = gathered.truncated;
        json!({ "total": total, "skip": self.skip, "items": shown, "missing": missing, "truncated": truncated })
    }
}
