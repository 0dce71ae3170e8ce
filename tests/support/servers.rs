//! Servers that tests start for themselves, on ports of their own.
#![allow(dead_code, unreachable_pub, reason = "each test file uses a part")]

use std::{
    fs,
    net::{SocketAddr, TcpListener, TcpStream},
    path::PathBuf,
    process::{Child, Command, Stdio},
    sync::atomic::{AtomicU32, Ordering::Relaxed},
    time::Duration,
};

/// A server that ends with its owner, in a folder of its own.
pub struct Server {
    pub port: u16,
    pub folder: PathBuf,
    program: PathBuf,
    package: &'static str,
    arguments: Vec<String>,
    child: Option<Child>,
    frozen: bool,
}

impl Server {
    pub fn new(program: &'static str, package: &'static str, arguments: impl Fn(u16) -> Vec<String>) -> Self {
        let port = free_port();
        Self::running(program.into(), package, port, folder(), arguments(port))
    }

    /// With a file `conf` in the folder in which it runs.
    pub fn configured(
        program: &'static str,
        package: &'static str,
        arguments: &[&str],
        file: impl FnOnce(u16) -> String,
    ) -> Self {
        let (port, folder) = (free_port(), folder());
        fs::write(folder.join("conf"), file(port)).expect("a folder of the test");
        let arguments = arguments.iter().copied().map(str::to_owned).collect();
        Self::running(program.into(), package, port, folder, arguments)
    }

    /// One that is run by the test's own program.
    pub fn of_this_program(port: u16, arguments: Vec<String>) -> Self {
        let program = std::env::current_exe().expect("a program has a path");
        Self::running(program, "", port, folder(), arguments)
    }

    fn running(
        program: PathBuf,
        package: &'static str,
        port: u16,
        folder: PathBuf,
        arguments: Vec<String>,
    ) -> Self {
        let mut server = Self { port, folder, program, package, arguments, child: None, frozen: false };
        server.start();
        server
    }

    /// Redis without snapshots, and with these lines of configuration.
    pub fn redis(lines: &[&str]) -> Self {
        Self::like_redis("redis-server", "redis-server", lines)
    }

    fn like_redis(program: &'static str, package: &'static str, lines: &[&str]) -> Self {
        Self::new(program, package, |port| {
            let base =
                ["--port", &port.to_string(), "--save", "", "--appendonly", "no", "--bind", "127.0.0.1"];
            base.into_iter().chain(lines.iter().copied()).map(str::to_owned).collect()
        })
    }

    /// Valkey, as `scripts/install` gets it, without snapshots.
    pub fn valkey(lines: &[&str]) -> Self {
        Self::like_redis("valkey-server", "valkey-server, or run scripts/install", lines)
    }

    /// NATS, with these arguments.
    pub fn nats(arguments: &[&str]) -> Self {
        Self::new("nats-server", "nats-server", |port| {
            let base = ["--addr", "127.0.0.1", "--port", &port.to_string()];
            base.into_iter().chain(arguments.iter().copied()).map(str::to_owned).collect()
        })
    }

    /// A sentinel that watches the master `main` at a port, and is quick about it.
    pub fn sentinel(master: u16) -> Self {
        Self::configured("redis-sentinel", "redis-sentinel", &["conf"], |port| {
            format!(
                "port {port}\nbind 127.0.0.1\nsentinel monitor main 127.0.0.1 {master} 1\n\
                 sentinel down-after-milliseconds main 1000\nsentinel failover-timeout main 3000\n"
            )
        })
    }

    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// Runs it, again if it was killed; returns when it listens.
    pub fn start(&mut self) {
        let log = fs::File::create(self.folder.join("log")).expect("a folder of the test");
        let path = std::env::var("PATH").unwrap_or_default();
        let ours = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).with_file_name("venv/bin");
        let child = Command::new(&self.program)
            .args(&self.arguments)
            // Where Debian has nginx and haproxy, for root only; and what scripts/install got from elsewhere.
            .env("PATH", format!("{path}:/usr/sbin:{}", ours.display()))
            .current_dir(&self.folder)
            .stdout(log.try_clone().expect("a file"))
            .stderr(log)
            .stdin(Stdio::null())
            .spawn()
            .unwrap_or_else(|error| {
                panic!("{}: {error}: install the Debian package {}", self.program.display(), self.package)
            });
        self.child = Some(child);
        let address = SocketAddr::from(([127, 0, 0, 1], self.port));
        let listens = (0..500).any(|_| {
            let connected = TcpStream::connect_timeout(&address, Duration::from_millis(100)).is_ok();
            if !connected {
                std::thread::sleep(Duration::from_millis(10));
            }
            connected
        });
        assert!(listens, "{} does not listen: {}", self.program.display(), self.log());
    }

    /// The process that runs it.
    pub fn id(&self) -> u32 {
        self.child.as_ref().expect("it runs").id()
    }

    pub fn log(&self) -> String {
        fs::read_to_string(self.folder.join("log")).unwrap_or_default()
    }

    /// As `kill -9` does.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().expect("it runs");
            child.wait().expect("it ends");
        }
        self.frozen = false;
    }

    /// Whether it answers: neither killed nor frozen.
    pub fn is_up(&self) -> bool {
        self.child.is_some() && !self.frozen
    }

    /// Lets it run again, whatever has happened to it.
    pub fn mend(&mut self) {
        if self.child.is_none() {
            self.start();
        } else if self.frozen {
            self.freeze(false);
        }
    }

    /// Asks it to end, and waits until it has.
    pub fn stop(&mut self) {
        if self.is_up() {
            self.signal("TERM");
            self.child.take().expect("it runs").wait().expect("it ends");
        }
    }

    /// Stops it without its connections noticing, or lets it go on; nothing, if it was killed.
    pub fn freeze(&mut self, frozen: bool) {
        if self.child.is_none() {
            return;
        }
        self.signal(if frozen { "STOP" } else { "CONT" });
        self.frozen = frozen;
        // On a busy machine some of its threads go on for a moment.
        while frozen && !self.all_threads_are_stopped() {
            std::thread::yield_now();
        }
    }

    fn all_threads_are_stopped(&self) -> bool {
        let threads = fs::read_dir(format!("/proc/{}/task", self.id())).expect("Linux");
        threads.flatten().all(|thread| {
            let stat = fs::read_to_string(thread.path().join("stat")).unwrap_or_default();
            stat.rsplit(')').next().is_none_or(|state| state.trim_start().starts_with('T'))
        })
    }

    fn signal(&self, name: &str) {
        let id = self.id().to_string();
        let sent = Command::new("kill").args([&format!("-{name}"), &id]).status().expect("kill runs");
        assert!(sent.success());
    }

    /// What `redis-cli` says.
    pub fn cli(&self, arguments: &[&str]) -> String {
        let output = Command::new("redis-cli")
            .args(["-p", &self.port.to_string()])
            .args(arguments)
            .output()
            .expect("redis-cli runs: install the Debian package redis-tools");
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// A port that nobody listens on. Below the range of outgoing connections, so that none takes it meanwhile; with room
/// for the bus of a cluster.
pub fn free_port() -> u16 {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    for _ in 0..1_000 {
        let number = std::process::id().wrapping_mul(16).wrapping_add(NEXT.fetch_add(1, Relaxed));
        let port = 12_000 + (number % 10_000) as u16;
        let is_free = |port| TcpListener::bind(("127.0.0.1", port)).is_ok();
        if is_free(port) && is_free(port + 10_000) {
            return port;
        }
    }
    panic!("no port is free");
}

/// A folder with an authority (`ca.pem`), and a certificate and key for `localhost` that it vouches for.
pub fn certificates() -> PathBuf {
    let folder = folder();
    let openssl = |arguments: &str| {
        let output = Command::new("openssl").args(arguments.split(' ')).current_dir(&folder).output();
        let output =
            output.unwrap_or_else(|error| panic!("openssl: {error}: install the Debian package openssl"));
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    };
    fs::write(folder.join("names"), "subjectAltName=DNS:localhost,IP:127.0.0.1")
        .expect("a folder of the test");
    openssl("req -x509 -newkey rsa:2048 -nodes -days 2 -keyout ca.key -out ca.pem -subj /CN=authority");
    openssl("req -newkey rsa:2048 -nodes -keyout key.pem -out request.pem -subj /CN=localhost");
    openssl(
        "x509 -req -in request.pem -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -extfile names -out cert.pem",
    );
    folder
}

fn folder() -> PathBuf {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let name = format!("server-{}-{}", std::process::id(), NEXT.fetch_add(1, Relaxed));
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
    fs::create_dir_all(&folder).expect("the target's folder takes files");
    folder
}
