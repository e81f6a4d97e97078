//! The binary: start, output and exit.

use std::io::{BufRead, BufReader, Read};
use std::net::TcpListener;
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::time::{Duration, Instant};

use customers_sandbox::seed::ADA;
use rstest::rstest;
use serde_json::{Value, json};

use crate::support::gateway::client;

/// The binary, without variables of this process that could be settings.
pub fn program(arguments: &[&str], variables: &[(&str, &str)]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_customers-gateway"));
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("GATEWAY")) {
        command.env_remove(name);
    }
    command.env_remove("PORT");
    for setting in ["SERVER__LISTEN", "SERVER__ADMIN_LISTEN", "SANDBOX__LISTEN"] {
        command.env(format!("GATEWAY__{setting}"), "127.0.0.1:0");
    }
    command.envs(variables.iter().copied());
    command
}

/// Waits until a child process ends. After a time limit it kills the process, and the test fails.
pub fn ended(child: &mut Child) -> ExitStatus {
    let started = Instant::now();
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            return status;
        }
        if started.elapsed() > Duration::from_secs(30) {
            child.kill().unwrap();
            panic!("the program did not end");
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

pub fn run(arguments: &[&str], variables: &[(&str, &str)]) -> Output {
    let mut child = program(arguments, variables).spawn().unwrap();
    ended(&mut child);
    child.wait_with_output().unwrap()
}

/// The standard error of a start that failed: one line for each problem, and a heading for several problems.
pub fn complaint(arguments: &[&str], variables: &[(&str, &str)]) -> String {
    let output = run(arguments, variables);
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(!output.status.success(), "{told}");
    assert_eq!(String::from_utf8(output.stdout).unwrap(), "");
    let (heading, problems) = told.split_once('\n').unwrap();
    if !problems.is_empty() {
        let count = problems.lines().count();
        assert!(heading.starts_with(&format!("customers-gateway: {count} ")) && heading.ends_with(':'), "{told}");
        assert!(problems.lines().all(|line| line.starts_with("  ") && line.contains(": ")), "{told}");
    }
    told
}

fn with_files(files: usize, variables: &[(&str, &str)]) -> Command {
    let program = program(&["serve"], variables);
    let mut command = Command::new("/bin/sh");
    command.args(["-c", &format!("ulimit -n {files}; exec \"$0\" serve")]).arg(program.get_program());
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    for (name, value) in program.get_envs() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    command
}

#[test]
fn a_too_low_open_file_limit_fails_the_start() {
    let mut child = with_files(100, &[]).spawn().unwrap();
    let status = ended(&mut child);
    let told = String::from_utf8(child.wait_with_output().unwrap().stderr).unwrap();
    assert!(!status.success() && told.contains("ulimit -n") && told.contains("100 files"), "{told}");
}

/// A running gateway, which the test stops.
pub struct Serving {
    pub child: Child,
    pub greeting: String,
    pub graphql: String,
}

impl Serving {
    pub fn start(variables: &[(&str, &str)]) -> Self {
        Self::of(program(&["serve"], variables))
    }

    /// With a hard open file limit.
    pub fn with_files(files: usize, variables: &[(&str, &str)]) -> Self {
        Self::of(with_files(files, variables))
    }

    fn of(mut command: Command) -> Self {
        let mut child = command.spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap());
        let mut greeting = String::new();
        while !greeting.contains("try ") {
            assert!(lines.read_line(&mut greeting).unwrap() > 0, "it ended after: {greeting}");
        }
        let graphql = greeting.split_whitespace().find(|word| word.ends_with("/graphql")).unwrap().to_owned();
        Self { child, greeting, graphql }
    }

    /// Stops the gateway with SIGTERM. Returns its exit status and its log.
    pub fn stop(mut self) -> (ExitStatus, String) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
        let mut stderr = self.child.stderr.take().unwrap();
        let log = std::thread::spawn(move || {
            let mut log = String::new();
            stderr.read_to_string(&mut log).map(|_| log)
        });
        (ended(&mut self.child), log.join().unwrap().unwrap())
    }
}

#[rstest]
#[case::an_unknown_setting(&[("GATEWAY__SERVER__LISTN", "127.0.0.1:0")], &["listn"])]
#[case::no_address(&[("GATEWAY__SERVER__LISTEN", "here")], &["server.listen"])]
#[case::no_duration(&[("GATEWAY__SERVER__DEADLINE", "soon")], &["deadline"])]
#[case::no_concurrency(&[("GATEWAY__UPSTREAM__MAX_IN_FLIGHT", "0")], &["upstream.max_in_flight", "GATEWAY__UPSTREAM__MAX_IN_FLIGHT"])]
#[case::an_unencrypted_upstream(&[("GATEWAY__UPSTREAM__BASE_URL", "http://api.example.com")], &["upstream.base_url", "https"])]
#[case::a_real_upstream_without_authentication(&[("GATEWAY__UPSTREAM__BASE_URL", "https://api.example.com")], &["auth.mode", "GATEWAY__AUTH__MODE"])]
#[case::an_unknown_mode(&[("GATEWAY__AUTH__MODE", "open")], &["auth.mode (GATEWAY__AUTH__MODE)", "open", "`sandbox`, `passthrough`, `jwt`"])]
#[case::an_unknown_switch(&[("GATEWAY__PLAYGROUND__ENABLED", "true")], &["GATEWAY__PLAYGROUND__ENABLED", "`auto`, `on`, `off`"])]
#[case::no_number(&[("GATEWAY__GRAPHQL__MAX_DEPTH", "deep")], &["graphql.max_depth (GATEWAY__GRAPHQL__MAX_DEPTH)", "the default is 24"])]
#[case::no_file_of_settings(&[("GATEWAY_CONFIG", "")], &["GATEWAY_CONFIG", "is empty", "path of a TOML file"])]
#[case::one_underscore(&[("GATEWAY_AUTH_MODE", "jwt")], &["GATEWAY_AUTH_MODE", "did you mean GATEWAY__AUTH__MODE?"])]
#[case::a_port_alone(&[("GATEWAY__PORT", "8080")], &["GATEWAY__PORT", "did you mean server.listen?"])]
#[case::one_address_twice(&[("GATEWAY__SERVER__LISTEN", "127.0.0.1:4999"), ("GATEWAY__SERVER__ADMIN_LISTEN", "127.0.0.1:4999")], &["server.admin_listen", "another address"])]
#[case::a_key_in_two_lines(&[("GATEWAY__UPSTREAM__API_KEY", "sk_1\nsk_2")], &["upstream.api_key (GATEWAY__UPSTREAM__API_KEY)", "an HTTP header cannot contain"])]
#[case::a_log_level(&[("GATEWAY__LOG__LEVEL", "loud=loud=loud")], &["log.level"])]
#[case::a_missing_file(&[("GATEWAY_CONFIG", "/nowhere/gateway.toml")], &["/nowhere/gateway.toml"])]
#[test]
fn an_invalid_setting_is_reported_in_one_line(#[case] variables: &[(&str, &str)], #[case] named: &[&str]) {
    let told = complaint(&["serve"], variables);
    for word in named {
        assert!(told.contains(word), "{told}");
    }
}

#[test]
fn an_invalid_toml_file_is_reported_without_secrets() {
    let file = std::env::temp_dir().join(format!("gateway-test-{}.toml", uuid::Uuid::new_v4()));
    std::fs::write(&file, "[upstream]\napi_key = \"sk_live_planted\n").unwrap();
    let arguments = ["serve", "--config", file.to_str().unwrap()];
    let told = complaint(&arguments, &[]);
    assert!(told.contains("line 2") && !told.contains("planted"), "{told}");
    std::fs::write(&file, "[upstream]\napi_key = { planted = \"sk_live_planted\" }\n").unwrap();
    let told = complaint(&arguments, &[]);
    assert!(told.contains("upstream.api_key") && !told.contains("sk_live"), "{told}");
    std::fs::remove_file(&file).unwrap();
}

#[rstest]
#[case("SERVER__LISTEN", "server.listen")]
#[case("SERVER__ADMIN_LISTEN", "server.admin_listen")]
#[case("SANDBOX__LISTEN", "sandbox.listen")]
#[test]
fn a_port_in_use_is_reported_with_its_setting(#[case] variable: &str, #[case] setting: &str) {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let (address, variable) = (taken.local_addr().unwrap().to_string(), format!("GATEWAY__{variable}"));
    let told = complaint(&["serve"], &[(variable.as_str(), address.as_str())]);
    for word in [address.as_str(), variable.as_str(), setting] {
        assert!(told.contains(word), "{told}");
    }
}

#[test]
fn several_setting_errors_are_reported_together() {
    let told = complaint(
        &["serve"],
        &[
            ("GATEWAY__AUTH__MODE", "foo"),
            ("GATEWAY__SERVER__DEADLINE", "soon"),
            ("GATEWAY__SERVER__LISTN", "127.0.0.1:0"),
            ("GATEWAY__UPSTREAM__MAX_IN_FLIGHT", "0"),
            ("GATEWAY__GRAPHQL__MAX_DEPTH", "9999"),
            ("GATEWAY__LOG__DIGEST_KEY", "planted"),
        ],
    );
    let named = [
        "AUTH__MODE",
        "SERVER__DEADLINE",
        "SERVER__LISTN",
        "UPSTREAM__MAX_IN_FLIGHT",
        "GRAPHQL__MAX_DEPTH",
        "LOG__DIGEST_KEY",
    ];
    for name in named {
        assert_eq!(told.matches(&format!("(GATEWAY__{name})")).count(), 1, "{name}: {told}");
    }
    assert_eq!(told.lines().count(), 1 + named.len(), "{told}");
    assert!(!told.contains("planted"), "{told}");
}

#[test]
fn a_non_utf8_variable_is_named_without_its_value() {
    use std::os::unix::ffi::OsStrExt;
    let mut command = program(&["check-config"], &[]);
    command.env("GATEWAY__UPSTREAM__API_KEY", std::ffi::OsStr::from_bytes(b"sk_planted\xff"));
    let output = command.output().unwrap();
    let told = String::from_utf8(output.stderr).unwrap();
    let told_as = "setting upstream.api_key (GATEWAY__UPSTREAM__API_KEY): is not UTF-8 text";
    assert!(!output.status.success() && told.contains(told_as), "{told}");
    assert!(!told.contains("planted"), "{told}");
    // Other problems are still reported.
    command.env("GATEWAY__SERVER__DEADLINE", "soon");
    let told = String::from_utf8(command.output().unwrap().stderr).unwrap();
    assert!(told.contains(told_as) && told.contains("(GATEWAY__SERVER__DEADLINE)"), "{told}");
}

/// Checks that the output has exactly one line for each of these texts.
fn tells_each_once(arguments: &[&str], variables: &[(&str, &str)], told_of: &[&str]) {
    let told = complaint(arguments, variables);
    for problem in told_of {
        assert_eq!(told.lines().filter(|line| line.contains(problem)).count(), 1, "{problem}: {told}");
    }
    let heading = usize::from(told_of.len() > 1);
    assert_eq!(told.lines().count(), heading + told_of.len(), "{told}");
    assert!(!told.contains("planted"), "{told}");
}

#[rstest]
#[case::audit(
    &[("AUDIT__DESTINATION", "/"), ("AUDIT__QUEUE_SIZE", "0"), ("AUDIT__TIMEOUT", "0s")],
    &["audit.destination (", "audit.queue_size (", "audit.timeout ("]
)]
#[case::traces(
    &[("TRACES__SAMPLE_RATIO", "2"), ("TRACES__ENDPOINT", "ftp://127.0.0.1/?planted"), ("TRACES__AUTHORIZATION", "planted\nplanted")],
    &["traces.sample_ratio (", "must be http or https", "no user, password, query", "traces.authorization ("]
)]
#[case::origins(&[("HTTP__ALLOWED_ORIGINS", "*,https://desk.example.com,desk.example.com")], &["`*` is", "`desk.example.com` has no scheme"])]
#[case::headers(&[("HTTP__ALLOWED_HEADERS", "x team,x-team,*")], &["`x team` is", "`*` is"])]
#[case::an_address(
    &[("UPSTREAM__BASE_URL", "http://planted@api.example.com"), ("AUTH__MODE", "passthrough"), ("AUDIT__DESTINATION", "stdout")],
    &["must have no user", "must be https"]
)]
#[case::tokens(
    &[
        ("AUTH__MODE", "jwt"), ("AUTH__JWT__ISSUER", "i"), ("AUTH__JWT__AUDIENCE", "a"),
        ("AUTH__JWT__ALGORITHMS", "RS255,none"), ("AUTH__JWT__JWKS_URL", "http://planted@id.example.com/"),
    ],
    &["`RS255` is none of", "`none` is none of", "must have no user", "must be https"]
)]
#[case::keys_without_algorithms(
    &[("AUTH__MODE", "jwt"), ("AUTH__JWT__ISSUER", "i"), ("AUTH__JWT__AUDIENCE", "a")],
    &["auth.jwt.algorithms (", "auth.jwt.jwks_url ("]
)]
#[case::a_secret_of_another_kind(
    &[
        ("AUTH__MODE", "jwt"), ("AUTH__JWT__ISSUER", "i"), ("AUTH__JWT__AUDIENCE", "a"),
        ("AUTH__JWT__ALGORITHMS", "RS256"), ("AUTH__JWT__SECRET", "planted"),
    ],
    &["is for HS256", "is shorter than the hash"]
)]
#[test]
fn all_problems_of_a_section_are_told_at_once(#[case] settings: &[(&str, &str)], #[case] told_of: &[&str]) {
    let names: Vec<String> = settings.iter().map(|(name, _)| format!("GATEWAY__{name}")).collect();
    let variables: Vec<_> = names.iter().zip(settings).map(|(name, (_, value))| (name.as_str(), *value)).collect();
    for command in ["serve", "check-config"] {
        tells_each_once(&[command], &variables, told_of);
    }
}

const REAL: (&str, &str) = ("GATEWAY__UPSTREAM__BASE_URL", "https://api.example.com");
const RECORDED: (&str, &str) = ("GATEWAY__AUDIT__DESTINATION", "stdout");

#[rstest]
#[case::a_mode(&[REAL, RECORDED, ("GATEWAY__AUTH__MODE", "passthru")], "auth.mode (GATEWAY__AUTH__MODE)")]
#[case::a_name(&[REAL, RECORDED, ("GATEWAY__AUTH__MOD", "passthrough")], "did you mean auth.mode?")]
#[case::an_underscore(&[REAL, RECORDED, ("GATEWAY_AUTH_MODE", "passthrough")], "did you mean GATEWAY__AUTH__MODE?")]
#[case::a_destination(&[REAL, ("GATEWAY__AUTH__MODE", "passthrough"), ("GATEWAY__AUDIT__DESTINATON", "stdout")], "did you mean audit.destination?")]
#[case::an_address(
    &[("GATEWAY__SERVER__LISTEN", "here"), ("GATEWAY__SERVER__ADMIN_LISTEN", "127.0.0.1:4000")],
    "server.listen (GATEWAY__SERVER__LISTEN)"
)]
#[case::a_size(
    &[("GATEWAY__SERVER__MAX_BODY_BYTES", "64kB"), ("GATEWAY__SERVER__MAX_BUFFERED_BODY_BYTES", "65536")],
    "server.max_body_bytes (GATEWAY__SERVER__MAX_BODY_BYTES)"
)]
#[case::a_bound(
    &[("GATEWAY__PRIVACY__MAX_UNMASK_PER_OPERATION", "one"), ("GATEWAY__PRIVACY__MAX_UNMASK_PER_MINUTE", "5")],
    "privacy.max_unmask_per_operation (GATEWAY__PRIVACY__MAX_UNMASK_PER_OPERATION)"
)]
#[case::a_secret(
    &[
        ("GATEWAY__AUTH__MODE", "jwt"), ("GATEWAY__AUTH__JWT__ISSUER", "i"), ("GATEWAY__AUTH__JWT__AUDIENCE", "a"),
        ("GATEWAY__AUTH__JWT__ALGORITHMS", "HS256"), ("GATEWAY__AUTH__JWT__SECRET_FILE", "/nowhere/secret"),
    ],
    "auth.jwt.secret_file (GATEWAY__AUTH__JWT__SECRET_FILE)"
)]
#[test]
fn a_setting_that_cannot_be_read_makes_no_second_problem(#[case] variables: &[(&str, &str)], #[case] told_of: &str) {
    tells_each_once(&["check-config"], variables, &[told_of]);
}

#[test]
fn a_file_that_is_no_toml_hides_no_variable() {
    let directory = crate::process::Directory::new();
    let file = directory.path("gateway.toml");
    std::fs::write(&file, "[auth.jwt]\nissuer = \"planted\n").unwrap();
    let arguments = ["serve", "--config", file.to_str().unwrap()];
    let variables = [
        // The file can contain the settings that these two need.
        ("GATEWAY__AUTH__MODE", "jwt"),
        REAL,
        ("GATEWAY__SERVER__DEADLINE", "soon"),
        ("GATEWAY__SERVER__LISTN", "127.0.0.1:0"),
        ("GATEWAY__UPSTREAM__MAX_IN_FLIGHT", "0"),
        ("GATEWAY_LOG_LEVEL", "warn"),
    ];
    let told_of = ["gateway.toml: ", "SERVER__DEADLINE)", "SERVER__LISTN)", "MAX_IN_FLIGHT)", "GATEWAY__LOG__LEVEL?"];
    tells_each_once(&arguments, &variables, &told_of);
    std::fs::remove_file(&file).unwrap();
    let told_of = ["gateway.toml: ", "SERVER__DEADLINE)", "SERVER__LISTN)", "MAX_IN_FLIGHT)", "GATEWAY__LOG__LEVEL?"];
    tells_each_once(&arguments, &variables, &told_of);
}

#[test]
fn settings_ports_certificates_and_the_audit_file_are_told_at_once() {
    let taken: Vec<TcpListener> = (0..2).map(|_| TcpListener::bind("127.0.0.1:0").unwrap()).collect();
    let address = |at: usize| taken[at].local_addr().unwrap().to_string();
    let (public, sandbox) = (address(0), address(1));
    let variables = [
        ("GATEWAY__SERVER__LISTEN", public.as_str()),
        ("GATEWAY__SANDBOX__LISTEN", sandbox.as_str()),
        ("GATEWAY__SERVER__TLS_CERTIFICATE", "/nowhere/certificate.pem"),
        ("GATEWAY__SERVER__TLS_KEY", "/nowhere/key.pem"),
        ("GATEWAY__AUDIT__DESTINATION", "/nowhere/audit.jsonl"),
        ("GATEWAY__AUDIT__QUEUE_SIZE", "0"),
        ("GATEWAY__SERVER__DEADLINE", "soon"),
    ];
    let files =
        ["/nowhere/certificate.pem", "/nowhere/key.pem", "/nowhere/audit.jsonl", "audit.queue_size (", "DEADLINE)"];
    tells_each_once(&["serve"], &variables, &[&files[..], &[&public, &sandbox]].concat());
    tells_each_once(&["check-config"], &variables, &files);
    let variables = [("GATEWAY__SANDBOX__LISTEN", sandbox.as_str()), ("GATEWAY__SERVER__DEADLINE", "soon")];
    tells_each_once(&["sandbox"], &variables, &[&sandbox, "DEADLINE)"]);
}

#[test]
fn all_missing_jwt_settings_are_reported_together() {
    let told = complaint(&["check-config"], &[("GATEWAY__AUTH__MODE", "jwt")]);
    for name in ["issuer", "audience", "algorithms"] {
        assert!(told.contains(&format!("auth.jwt.{name} ")), "{name}: {told}");
    }
}

#[test]
fn all_ports_in_use_are_reported_together() {
    let taken: Vec<TcpListener> = (0..3).map(|_| TcpListener::bind("127.0.0.1:0").unwrap()).collect();
    let address = |at: usize| taken[at].local_addr().unwrap().to_string();
    let told = complaint(
        &["serve"],
        &[
            ("GATEWAY__SERVER__LISTEN", address(0).as_str()),
            ("GATEWAY__SERVER__ADMIN_LISTEN", address(1).as_str()),
            ("GATEWAY__SANDBOX__LISTEN", address(2).as_str()),
        ],
    );
    for (at, setting) in ["server.listen", "server.admin_listen", "sandbox.listen"].into_iter().enumerate() {
        assert!(told.contains(&address(at)) && told.contains(&format!("(setting {setting})")), "{told}");
    }
    assert_eq!(told.lines().count(), 4, "{told}");
}

#[test]
fn trailing_line_breaks_in_values_are_trimmed() {
    let variables = [
        ("GATEWAY__AUTH__MODE", "passthrough\r"),
        ("GATEWAY__SERVER__DEADLINE", "3s\r\n"),
        ("GATEWAY__SERVER__LISTEN", "127.0.0.1:0\n"),
        ("GATEWAY__GRAPHQL__MAX_DEPTH", "12\r"),
        ("GATEWAY__UPSTREAM__API_KEY", "sk_planted\n"),
    ];
    let output = run(&["check-config"], &variables);
    let told = String::from_utf8(output.stdout).unwrap() + &String::from_utf8(output.stderr).unwrap();
    assert!(
        output.status.success() && told.contains("server.deadline = \"3s\"") && told.contains("callers   passthrough"),
        "{told}"
    );
}

#[test]
fn the_port_variable_of_the_platform_is_warned_about() {
    let serving = Serving::start(&[("PORT", "8080")]);
    let (_, log) = serving.stop();
    assert!(log.contains("PORT") && log.contains("GATEWAY__SERVER__LISTEN=0.0.0.0:8080"), "{log}");
    let (_, log) = Serving::start(&[]).stop();
    assert!(!log.contains("PORT"), "{log}");
}

#[test]
fn a_health_check_reads_only_the_admin_address() {
    let serving = Serving::start(&[]);
    let admin = serving.greeting.split_whitespace().find(|word| word.ends_with("/readyz")).unwrap();
    let admin = admin.trim_start_matches("http://").trim_end_matches("/readyz").to_owned();
    let directory = crate::process::Directory::new();
    let file = directory.path("gateway.toml");
    // All other settings in the file are invalid.
    let text = format!(
        "[server]\nadmin_listen = \"{admin}\"\ndeadline = \"soon\"\n[auth]\nmode = \"foo\"\n[nothing]\na = 1\n"
    );
    std::fs::write(&file, text).unwrap();
    let file = file.to_str().unwrap();
    let healthy = |arguments: &[&str], variables: &[(&str, &str)]| {
        let mut command = program(arguments, variables);
        if !variables.iter().any(|(name, _)| *name == "GATEWAY__SERVER__ADMIN_LISTEN") {
            command.env_remove("GATEWAY__SERVER__ADMIN_LISTEN");
        }
        let output = command.output().unwrap();
        (output.status.success(), String::from_utf8(output.stderr).unwrap())
    };
    assert_eq!(healthy(&["health", "--config", file], &[]), (true, String::new()));
    assert_eq!(healthy(&["health"], &[("GATEWAY_CONFIG", file)]), (true, String::new()));
    assert_eq!(healthy(&["health", &admin], &[("GATEWAY__AUTH__MODE", "foo")]), (true, String::new()));
    let variables = [("GATEWAY__SERVER__ADMIN_LISTEN", admin.as_str()), ("GATEWAY__AUTH__MODE", "foo")];
    assert!(healthy(&["health"], &variables).0);
    let (good, told) = healthy(&["health", "nowhere"], &[]);
    assert!(!good && told.contains("nowhere"), "{told}");
}

#[test]
fn the_schema_is_printed() {
    let output = run(&["schema"], &[("GATEWAY__AUTH__MODE", "nonsense")]);
    assert!(output.status.success());
    assert_eq!(String::from_utf8(output.stdout).unwrap().trim_end(), customers_gateway::graphql::sdl().trim_end());
}

#[test]
fn check_config_prints_settings_without_secrets() {
    let output = run(&["check-config"], &[("GATEWAY__UPSTREAM__API_KEY", "sk_live_planted")]);
    let told = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success() && told.contains("embedded sandbox") && !told.contains("planted"), "{told}");
}

#[test]
fn a_health_check_without_a_gateway_fails() {
    let nowhere = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    complaint(&["health"], &[("GATEWAY__SERVER__ADMIN_LISTEN", &nowhere)]);
}

async fn ask(serving: &Serving, query: &str, variables: Value) -> Value {
    let body = json!({"query": query, "variables": variables});
    let request =
        client().post(&serving.graphql).json(&body).bearer_auth("planted-token").header("cookie", "planted-cookie");
    request.send().await.unwrap().json().await.unwrap()
}

#[tokio::test]
async fn the_default_start_greets_serves_and_exits_cleanly() {
    let serving = Serving::start(&[]);
    assert!(serving.greeting.contains("made up"), "{}", serving.greeting);
    let tried = serving.greeting.split("-d '").nth(1).unwrap().split('\'').next().unwrap().to_owned();
    let request = client().post(&serving.graphql).header("content-type", "application/json").body(tried);
    let answer: Value = request.send().await.unwrap().json().await.unwrap();
    assert_eq!(answer["data"]["customers"]["totalCount"], 250);
    let (status, log) = serving.stop();
    assert_eq!(status.code(), Some(0), "{log}");
}

#[rstest]
#[case("text")]
#[case("json")]
#[tokio::test]
async fn the_log_has_no_personal_data_at_trace_level(#[case] format: &str) {
    let serving = Serving::start(&[
        ("GATEWAY__LOG__LEVEL", "trace"),
        ("GATEWAY__LOG__FORMAT", format),
        ("GATEWAY__UPSTREAM__API_KEY", "sk_live_planted"),
    ]);
    let create = "mutation ($i: CreateCustomerInput!) { createCustomer(input: $i) { customer { id email } userErrors { code } } }";
    let input = json!({"name": "Planted Person", "type": "INDIVIDUAL", "email": "planted@example.test", "phone": "+12025550177",
        "device": {"ipAddress": "203.0.113.77"}, "complianceProfile": {"individual": {"dob": "1977-07-07", "ssn": "977-77-7777"}},
        "address": {"address1": "77 Planted St", "city": "Plantedville", "state": "NV", "zip": "89577"},
        "metadata": [{"key": "planted-key", "value": "planted-value"}], "externalId": "planted-external"});
    let created = ask(&serving, create, json!({"i": input})).await;
    let id = created["data"]["createCustomer"]["customer"]["id"].clone();
    assert!(id.is_string(), "{created}");
    // Accepted, invalid, not found, unreadable, and not GraphQL.
    ask(&serving, create, json!({"i": input})).await;
    ask(&serving, create, json!({"i": {"name": "planted"}})).await;
    let unmasked = ask(&serving, "mutation ($i: UnmaskCustomerInput!) { unmaskCustomer(input: $i) { unmaskedCustomer { email device { ipAddress } } } }", json!({"i": {"id": id, "reason": "planted-reason"}})).await;
    assert_eq!(unmasked["data"]["unmaskCustomer"]["unmaskedCustomer"]["device"]["ipAddress"], "203.0.113.77");
    let update =
        "mutation ($i: UpdateCustomerInput!) { updateCustomer(input: $i) { customer { name } userErrors { code } } }";
    ask(&serving, update, json!({"i": {"id": id, "name": "Planted Renamed"}})).await;
    for filter in
        [json!({"name": "Planted Person"}), json!({"email": "planted@example.test"}), json!({"search": "planted"})]
    {
        let found = ask(&serving, "query ($f: CustomerFilter) { customers(filter: $f) { nodes { name email phone address { city } review { identity { decision } } } } }", json!({"f": filter})).await;
        assert_eq!(found["errors"], Value::Null);
    }
    ask(&serving, "{ customerByExternalId(externalId: \"planted-external\") { name } }", json!({})).await;
    ask(&serving, "{ planted(planted: \"planted\") }", json!({})).await;
    ask(&serving, "{ planted: customer(id: \"planted\" {", json!({})).await;
    let url = format!("{}?query=%7Bplanted%7D&planted=planted", serving.graphql);
    client().get(url).send().await.unwrap();
    client().get(serving.graphql.replace("/graphql", "/planted/977-77-7777")).send().await.unwrap();
    let (status, log) = serving.stop();
    assert!(status.success());
    assert!(log.matches("request").count() > 10, "the log is too short: {log}");
    let planted = ["lanted", "977-77-7777", "1977-07-07", "203.0.113.77", "2025550177", "89577", "LANTED"];
    for line in log.lines() {
        assert!(!planted.iter().any(|word| line.contains(word)), "{line}");
    }
    assert!(!log.contains(&ADA.to_string()));
}
