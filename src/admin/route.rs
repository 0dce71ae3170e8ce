//! [`Route`]: what a path stands for.

use percent_encoding::percent_decode_str;

/// What a path stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Route {
    File(&'static File),
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

/// A file of the crate, as it is served.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct File {
    pub(super) path: &'static str,
    pub(super) kind: &'static str,
    /// In which `@base@` stands for where the page is mounted.
    pub(super) text: &'static str,
}

/// Makes a [`File`] of one below `page/`.
macro_rules! page {
    ($path:literal, $kind:expr, $name:literal) => {
        File { path: $path, kind: $kind, text: include_str!(concat!("page/", $name)) }
    };
}

const SCRIPT: &str = "text/javascript; charset=utf-8";

pub(super) static FILES: [File; 10] = [
    page!("", "text/html; charset=utf-8", "index.html"),
    page!("admin.css", "text/css; charset=utf-8", "admin.css"),
    page!("admin.js", SCRIPT, "admin.js"),
    page!("charts.js", SCRIPT, "charts.js"),
    page!("elements.js", SCRIPT, "elements.js"),
    page!("refresh.js", SCRIPT, "refresh.js"),
    page!("server.js", SCRIPT, "server.js"),
    page!("tables.js", SCRIPT, "tables.js"),
    page!("tap.js", SCRIPT, "tap.js"),
    File { path: "api/openapi.json", kind: "application/json", text: include_str!("openapi.json") },
];

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
        let path = path.trim_matches('/');
        if let Some(file) = FILES.iter().find(|file| file.path == path) {
            return Self::File(file);
        }
        let parts: Vec<&str> = path.split('/').collect();
        let view = |name: &str, view: fn(String) -> View| decoded(name).map(|name| Self::View(view(name)));
        let task = |name: &str, task: fn(String) -> Task| decoded(name).map(|name| Self::Task(task(name)));
        let route = match *parts.as_slice() {
            ["login"] => Some(Self::Login),
            ["logout"] => Some(Self::Logout),
            ["live"] => Some(Self::Live),
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

/// A name, percent-decoded. A `=` before it is taken off: so there is a path for a name of dots, which browsers would
/// take for a step in the path, and for one that is empty.
fn decoded(name: &str) -> Option<String> {
    let name = percent_decode_str(name).decode_utf8().ok()?;
    Some(name.strip_prefix('=').unwrap_or(&name).to_owned())
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
    fn every_name_has_a_path_behind_an_equals_sign() {
        for name in ["", ".", "..", "=", "==", "a", "/"] {
            let path = format!("/api/rooms/={}", name.replace('/', "%2F"));
            assert_eq!(Route::of(&path), Route::View(View::Room(name.into())));
        }
    }

    #[test]
    fn a_path_without_a_name_or_with_too_much_is_nothing_and_no_panic() {
        for path in ["/api", "/api/", "/api/rooms/x/y", "/api/connections/1/send/2", "/api/rooms/%FF", "/%"] {
            assert_eq!(Route::of(path), Route::Nothing, "{path}");
        }
        assert_eq!(Route::of("/api/rooms/"), Route::View(View::Rooms));
        assert_eq!(Route::of("//"), Route::of(""));
    }

    /// The path of each route in the document. A route that is added has to be named here.
    fn documented(route: &Route) -> &'static str {
        match route {
            Route::Session => "/api/session",
            Route::View(view) => match view {
                View::Overview => "/api/overview",
                View::Connections => "/api/connections",
                View::Connection(_) => "/api/connections/{id}",
                View::Rooms => "/api/rooms",
                View::Room(_) => "/api/rooms/{room}",
                View::Users => "/api/users",
                View::User(_) => "/api/users/{user}",
                View::Nodes => "/api/nodes",
            },
            Route::Task(task) => match task {
                Task::Send(_) => "/api/connections/{id}/send",
                Task::Close(_) => "/api/connections/{id}/close",
                Task::Broadcast(_) => "/api/rooms/{room}/send",
                Task::Notify(_) => "/api/users/{user}/send",
                Task::Disconnect(_) => "/api/users/{user}/disconnect",
            },
            Route::File(File { path: "api/openapi.json", .. }) => "/api/openapi.json",
            Route::File(_) | Route::Login | Route::Logout | Route::Live | Route::Nothing => "",
        }
    }

    #[test]
    fn the_document_has_every_route_of_the_api_and_no_other() {
        let document: serde_json::Value = serde_json::from_str(include_str!("openapi.json")).expect("JSON");
        let paths = document["paths"].as_object().expect("paths");
        for (path, operations) in paths {
            let route = Route::of(&path.replace(['{', '}'], ""));
            assert_eq!(documented(&route), path);
            let method = if route.methods() == "POST" { "post" } else { "get" };
            assert!(operations.as_object().expect("operations").keys().eq([method]), "{path}");
        }
        // As many as `documented` names.
        assert_eq!(paths.len(), 15);
    }
}
