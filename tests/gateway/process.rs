//! The binary as a process of its own, with its output, for tests that need a whole process.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

/// The path of the binary under test.
pub const BINARY: &str = env!("CARGO_BIN_EXE_customers-gateway");

/// A running gateway with its own directory. Dropping it stops the gateway and removes the directory.
pub struct Process {
    child: Child,
    pub directory: Directory,
    base: String,
    client: reqwest::Client,
}

/// A directory that is removed when it is dropped.
pub struct Directory(PathBuf);

impl Directory {
    pub fn new() -> Self {
        let path = std::env::temp_dir().join(format!("gateway-test-{}", uuid::Uuid::new_v4()));
        std::fs::create_dir(&path).unwrap();
        Self(path)
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    pub fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).unwrap_or_default()
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A response, as received.
pub struct Got {
    pub status: u16,
    pub headers: reqwest::header::HeaderMap,
    pub text: String,
}

impl Got {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|_| panic!("not JSON: {}", self.text))
    }

    pub fn code(&self) -> Value {
        self.json()["errors"][0]["extensions"]["code"].clone()
    }

    /// The headers and the body.
    pub fn whole(&self) -> String {
        format!("{:?}\n{}", self.headers, self.text)
    }
}

/// A command without settings of this process.
pub fn command() -> Command {
    let mut command = Command::new(BINARY);
    command.env_clear();
    command
}

impl Process {
    /// Starts a gateway with these settings. The default audit file is `audit.jsonl` in its directory.
    pub async fn start(settings: &[(&str, &str)]) -> Self {
        Self::start_in(Directory::new(), settings).await
    }

    pub async fn start_in(directory: Directory, settings: &[(&str, &str)]) -> Self {
        let stdout = File::create(directory.path("stdout")).unwrap();
        Self::start_saying(stdout, directory, settings).await
    }

    /// With this file as its standard output, which [`Self::said`] does not contain then.
    pub async fn start_saying(stdout: File, directory: Directory, settings: &[(&str, &str)]) -> Self {
        let settings = [&[("GATEWAY__LOG__LEVEL", "debug")], settings].concat();
        Self::run(stdout, directory, &[], &settings).await
    }

    /// Starts a gateway with a settings file, which sets the log level.
    pub async fn start_with_file(directory: Directory, file: &Path, settings: &[(&str, &str)]) -> Self {
        let stdout = File::create(directory.path("stdout")).unwrap();
        Self::run(stdout, directory, &["--config", file.to_str().unwrap()], settings).await
    }

    async fn run(stdout: File, directory: Directory, arguments: &[&str], settings: &[(&str, &str)]) -> Self {
        let stderr = directory.path("stderr");
        let child = command()
            .args(arguments)
            .env("GATEWAY__SERVER__LISTEN", "127.0.0.1:0")
            .env("GATEWAY__SERVER__ADMIN_LISTEN", "127.0.0.1:0")
            .env("GATEWAY__SANDBOX__LISTEN", "127.0.0.1:0")
            .env("GATEWAY__AUDIT__DESTINATION", directory.path("audit.jsonl"))
            .envs(settings.iter().copied())
            .stdout(stdout)
            .stderr(File::create(&stderr).unwrap())
            .stdin(Stdio::null())
            .spawn()
            .unwrap();
        let mut process = Self { child, directory, base: String::new(), client: client() };
        process.greeted().await;
        process.base = process.address("GraphQL");
        process
    }

    /// An address of the start message, without a path.
    fn address(&self, what: &str) -> String {
        let said = self.said();
        let line = said.lines().find_map(|line| line.trim().strip_prefix(&format!("{what} "))).unwrap();
        let url = line.split_whitespace().next().unwrap();
        url.splitn(4, '/').take(3).collect::<Vec<_>>().join("/")
    }

    /// Waits for the last line of the start message.
    async fn greeted(&mut self) {
        let started = Instant::now();
        loop {
            let said = self.said();
            if said.lines().any(|line| line.trim().starts_with("try ") && line.ends_with('\'')) {
                return;
            }
            assert!(self.child.try_wait().unwrap().is_none(), "it did not start: {said}");
            assert!(started.elapsed() < Duration::from_secs(30), "it wrote no start message: {said}");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// The standard output and the standard error so far, with every line that was logged before this call.
    pub fn said(&self) -> String {
        self.until_the_log_is_written();
        self.directory.read("stdout") + &self.directory.read("stderr")
    }

    /// Waits until the thread that writes the log sleeps, or has ended.
    fn until_the_log_is_written(&self) {
        let tasks = format!("/proc/{}/task", self.child.id());
        let works = || {
            let tasks = std::fs::read_dir(&tasks).into_iter().flatten().flatten();
            let stats = tasks.filter_map(|task| std::fs::read_to_string(task.path().join("stat")).ok());
            // The second field is the name of the thread, and the third is its state.
            stats
                .filter_map(|stat| stat.split_once(" (log) ").map(|(_, rest)| rest.starts_with('S')))
                .any(|sleeps| !sleeps)
        };
        let started = Instant::now();
        while works() {
            assert!(started.elapsed() < Duration::from_secs(30), "its log is not written");
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    pub fn audit(&self) -> String {
        self.directory.read("audit.jsonl")
    }

    /// The audit records so far.
    pub fn records(&self) -> Vec<Value> {
        self.audit().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    pub fn audit_file(&self) -> PathBuf {
        self.directory.path("audit.jsonl")
    }

    /// Sends a body.
    pub async fn post(&self, body: impl Into<reqwest::Body>) -> Got {
        let request = self.client.post(format!("{}/graphql", self.base)).body(body);
        let request = request.header("content-type", "application/json");
        got(request.bearer_auth(self.key()).send().await.unwrap()).await
    }

    /// Sends a body with further headers.
    pub async fn post_with(&self, body: impl Into<reqwest::Body>, headers: &[(&str, &str)]) -> Got {
        let request = self.client.post(format!("{}/graphql", self.base)).body(body);
        let request = request.header("content-type", "application/json").bearer_auth(self.key());
        got(headers.iter().fold(request, |request, (name, value)| request.header(*name, *value)).send().await.unwrap())
            .await
    }

    /// Sends a query by GET.
    pub async fn get(&self, query: &str) -> Got {
        let request = self.client.get(format!("{}/graphql", self.base)).query(&[("query", query)]);
        got(request.bearer_auth(self.key()).send().await.unwrap()).await
    }

    pub async fn ask(&self, query: &str, variables: Value) -> Got {
        self.post(json!({"query": query, "variables": variables}).to_string()).await
    }

    /// The id of an existing customer.
    pub async fn somebody(&self) -> String {
        let got = self.ask("{ customers(first: 1, filter: {types: [INDIVIDUAL]}) { nodes { id } } }", json!({})).await;
        got.json()["data"]["customers"]["nodes"][0]["id"].as_str().unwrap_or_else(|| panic!("{}", got.text)).to_owned()
    }

    /// The id of another customer than [`Self::somebody`], without reading the list.
    pub fn somebody_else(&self) -> String {
        customers_sandbox::seed::ADA.to_string()
    }

    /// A path of the admin server.
    pub async fn admin(&self, path: &str) -> Got {
        got(self.client.get(format!("{}{path}", self.address("admin"))).send().await.unwrap()).await
    }

    /// A path of the public server.
    pub async fn public(&self, path: &str) -> Got {
        got(self.client.get(format!("{}{path}", self.base)).send().await.unwrap()).await
    }

    /// A call to the control API of the embedded sandbox.
    pub async fn control(&self, method: &str, path: &str, body: Value) -> Got {
        let url = format!("{}/_sandbox/{path}", self.address("upstream"));
        let request = self.client.request(method.parse().unwrap(), url).json(&body);
        got(request.send().await.unwrap()).await
    }

    /// The key of the caller. Only passthrough mode uses it.
    pub const KEY: &str = "sk_planted_key_7f3a";

    fn key(&self) -> &'static str {
        Self::KEY
    }

    /// Sends a signal, such as `HUP`.
    pub fn signal(&self, name: &str) {
        let sent = Command::new("kill").args([&format!("-{name}"), &self.child.id().to_string()]).status().unwrap();
        assert!(sent.success());
    }

    /// `http://127.0.0.1:port`
    pub fn base(&self) -> &str {
        &self.base
    }

    /// Sends SIGTERM and waits until the process ends.
    pub async fn stop(&mut self) {
        self.signal("TERM");
        self.ends().await;
    }

    /// Waits until the process ends. Returns its exit code.
    pub async fn ends(&mut self) -> Option<i32> {
        let started = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status.code();
            }
            assert!(started.elapsed() < Duration::from_secs(30), "it did not end");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Stops the process and returns its directory for another process.
    pub async fn into_directory(mut self) -> Directory {
        self.stop().await;
        std::mem::replace(&mut self.directory, Directory(PathBuf::new()))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

async fn got(response: reqwest::Response) -> Got {
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    Got { status, headers, text: response.text().await.unwrap() }
}

fn client() -> reqwest::Client {
    // The client does not decompress. A compressed response would not be text.
    reqwest::Client::builder().no_proxy().no_gzip().no_brotli().pool_max_idle_per_host(0).build().unwrap()
}

/// The output of `audit verify`, and whether it succeeds.
pub fn verify(file: &Path) -> (bool, String) {
    let output = command().args(["audit", "verify"]).arg(file).output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8(said).unwrap())
}
