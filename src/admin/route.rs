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
        let view = |name: &str, view: fn(String) -> View| decoded(name).map(|name| Self::View(view(name)));
        let task = |name: &str, task: fn(String) -> Task| decoded(name).map(|name| Self::Task(task(name)));
        let route = match *parts.as_slice() {
            [""] => Some(Self::Asset(Asset::Page)),
            ["admin.js"] => Some(Self::Asset(Asset::Script)),
            ["admin.css"] => Some(Self::Asset(Asset::Style)),
            ["login"] => Some(Self::Login),
            ["logout"] => Some(Self::Logout),
            ["live"] => Some(Self::Live),
            ["api", "openapi.json"] => Some(Self::Asset(Asset::OpenApi)),
            ["api", "session"] => Some(Self::Session),
            ["api", "overview"] => Some(Self::View(View::Overview)),
            ["api", "connections"] => Some(Self::View(View::Connections)),
            ["api", "connections", id] => view(id, View::Connection),
            ["api", "connections", id, "send"] => task(id, Task::Send),
            ["api", "connections", id, "close"] => task(id, Task::Close),
            ["api", "rooms"] => Some(Self::View(View::Rooms)),
            ["api", "rooms", room] => view(room, View::Room),
            ["api", "rooms", room, "send"] => task(room, Task::Broadcast),
            ["api", "users"] => Some(Self::View(View::Users)),
            ["api", "users", user] => view(user, View::User),
            ["api", "users", user, "send"] => task(user, Task::Notify),
            ["api", "users", user, "disconnect"] => task(user, Task::Disconnect),
            ["api", "nodes"] => Some(Self::View(View::Nodes)),
            _ => None,
        };
        route.unwrap_or(Self::Nothing)
    }

    /// What may be done with it.
    pub(super) fn methods(&self) -> &'static str {
        match self {
            Self::Login | Self::Logout | Self::Task(_) => "POST",
            _ => "GET, HEAD",
        }
    }
}

fn decoded(name: &str) -> Option<String> {
    percent_decode_str(name).decode_utf8().ok().map(Cow::into_owned)
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
