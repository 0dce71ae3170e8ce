//! [`Route`]: what a path stands for.

use std::borrow::Cow;

use percent_encoding::percent_decode_str;

/// What a path stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Route {
    Asset(Asset),
    Login,
    Logout,
    /// The token that changes need.
    Session,
    /// The socket.
    Live,
    View(View),
    Task(Task),
    Nothing,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Asset {
    Page,
    Script,
    Style,
    OpenApi,
}

/// Something to look at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum View {
    Overview,
    Connections,
    Connection(String),
    Rooms,
    Room(String),
    Users,
    User(String),
    Nodes,
}

/// Something to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Task {
    /// Sends to a connection.
    Send(String),
    /// Closes a connection.
    Close(String),
    /// Sends to a room.
    Broadcast(String),
    /// Sends to a user.
    Notify(String),
    /// Closes all connections of a user.
    Disconnect(String),
}

impl Route {
    /// The path is what comes after the base.
    pub(super) fn of(path: &str) -> Self {
        let parts: Vec<&str> = path.trim_matches('/').split('/').collect();
        let name = |name: &str| percent_decode_str(name).decode_utf8().map(Cow::into_owned);
        match *parts.as_slice() {
            [""] => Self::Asset(Asset::Page),
            ["admin.js"] => Self::Asset(Asset::Script),
            ["admin.css"] => Self::Asset(Asset::Style),
            ["login"] => Self::Login,
            ["logout"] => Self::Logout,
            ["live"] => Self::Live,
            ["api", "openapi.json"] => Self::Asset(Asset::OpenApi),
            ["api", "session"] => Self::Session,
            ["api", "overview"] => Self::View(View::Overview),
            ["api", "connections"] => Self::View(View::Connections),
            ["api", "connections", id] => {
                name(id).map_or(Self::Nothing, |id| Self::View(View::Connection(id)));
            }
            ["api", "connections", id, "send"] => Self::task(name(id).ok(), Task::Send),
            ["api", "connections", id, "close"] => Self::task(name(id).ok(), Task::Close),
            ["api", "rooms"] => Self::View(View::Rooms),
            ["api", "rooms", room] => {
                name(room).map_or(Self::Nothing, |room| Self::View(View::Room(room)));
            }
            ["api", "rooms", room, "send"] => Self::task(name(room).ok(), Task::Broadcast),
            ["api", "users"] => Self::View(View::Users),
            ["api", "users", user] => {
                name(user).map_or(Self::Nothing, |user| Self::View(View::User(user)));
            }
            ["api", "users", user, "send"] => Self::task(name(user).ok(), Task::Notify),
            ["api", "users", user, "disconnect"] => Self::task(name(user).ok(), Task::Disconnect),
            ["api", "nodes"] => Self::View(View::Nodes),
            _ => Self::Nothing,
        }
    }

    fn task(name: Option<String>, task: impl FnOnce(String) -> Task) -> Self {
        name.map_or(Self::Nothing, |name| Self::Task(task(name)))
    }

    /// What may be done with it.
    pub(super) fn methods(&self) -> &'static str {
        match self {
            Self::Login | Self::Logout | Self::Task(_) => "POST",
            _ => "GET, HEAD",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_in_a_path_are_decoded_and_may_hold_slashes() {
        assert_eq!(Route::of("/api/rooms/news%2Fde"), Route::View(View::Room("news/de".into())));
        assert_eq!(Route::of("/api/rooms/%C3%A4/send"), Route::Task(Task::Broadcast("ä".into())));
    }

    #[test]
    fn a_path_without_a_name_or_with_too_much_is_nothing_and_no_panic() {
        for path in
            ["/api", "/api/", "/api/rooms/x/y", "/api/connections/1/send/2", "//", "/api/rooms/%FF", "/%"]
        {
            assert!(matches!(Route::of(path), Route::Nothing | Route::Asset(Asset::Page)), "{path}");
        }
        assert_eq!(Route::of("/api/rooms/"), Route::View(View::Rooms));
    }
}
