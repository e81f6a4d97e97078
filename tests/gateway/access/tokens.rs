//! Valid tokens, and each way in which a token can be invalid.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, ChildStdout, Command, Stdio};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, Header};
use serde_json::{Value, json};

use super::provider::{Provider, Signer};
use super::{AUDIENCE, Gateway, ISSUER, OWN, claims, gateway, in_seconds};

async fn with_rsa_and_ec(rsa: &Signer, ec: &Signer) -> (Gateway, Provider) {
    let provider = Provider::start(&[rsa, ec]).await;
    let gateway = gateway(&format!("algorithms = ['RS256', 'ES256']\njwks_url = '{}'", provider.url)).await;
    (gateway, provider)
}

/// A token without a signature.
fn unsigned(header: &Value, claims: &Value) -> String {
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    format!("{}.{}.", part(header), part(claims))
}

#[tokio::test]
async fn a_valid_token_gives_subject_permissions_and_account() {
    let (rsa, ec) = (Signer::rsa(), Signer::ec("ec-1"));
    let (gateway, _provider) = with_rsa_and_ec(&rsa, &ec).await;
    let account = "0a000000-0000-4000-8000-00000000000a";
    let token =
        rsa.token(&claims(json!({"account_id": account, "permissions": ["REVIEWS_READ", "customers.read", "x"]})));
    assert_eq!(
        gateway.viewer(&token).await.viewer(),
        json!({"subject": "user-7", "accountId": account, "permissions": ["CUSTOMERS_READ", "REVIEWS_READ"]})
    );
    let token = ec.token(&claims(json!({"permissions": null, "aud": ["other", AUDIENCE]})));
    assert_eq!(
        gateway.viewer(&token).await.viewer(),
        json!({"subject": "user-7", "accountId": OWN, "permissions": []})
    );
}

#[tokio::test]
async fn a_token_without_a_subject_is_rejected_by_its_missing_claim() {
    let (rsa, ec) = (Signer::rsa(), Signer::ec("ec-1"));
    let (gateway, _provider) = with_rsa_and_ec(&rsa, &ec).await;
    for nobody in [json!(null), json!(" ")] {
        let got = gateway.viewer(&rsa.token(&claims(json!({"sub": nobody})))).await;
        assert_eq!((got.status, got.code().as_str()), (401, Some("UNAUTHENTICATED")), "{}", got.text);
        assert!(got.text.contains("`sub`"), "{}", got.text);
    }
    // With a `sub` that is not a text it is not a JWT at all.
    assert_eq!(gateway.status(&rsa.token(&claims(json!({"sub": ["user-7"]})))).await, 401);
    let provider = Provider::start(&[&rsa]).await;
    let settings = format!("algorithms = 'RS256'\njwks_url = '{}'\nsubject_claim = 'oid'", provider.url);
    let gateway = super::gateway(&settings).await;
    let viewer = gateway.viewer(&rsa.token(&claims(json!({"sub": null, "oid": "user-8"})))).await.viewer();
    assert_eq!(viewer["subject"], "user-8");
    assert_eq!(gateway.status(&rsa.token(&claims(json!({})))).await, 401);
}

#[tokio::test]
async fn an_operation_without_its_permission_is_forbidden() {
    let (rsa, ec) = (Signer::rsa(), Signer::ec("ec-1"));
    let (gateway, _provider) = with_rsa_and_ec(&rsa, &ec).await;
    let query = json!({"query": "{ customers(first: 1) { totalCount } }"});
    let got = gateway.ask(&rsa.token(&claims(json!({"permissions": ["reviews:read"]}))), None, query.clone()).await;
    assert_eq!(got.code(), "FORBIDDEN", "{}", got.text);
    let got = gateway.ask(&rsa.token(&claims(json!({}))), None, query).await;
    assert_eq!(got.json()["data"]["customers"]["totalCount"], 250, "{}", got.text);
}

#[tokio::test]
async fn disabled_introspection_is_allowed_by_a_token_permission() {
    let rsa = Signer::rsa();
    let provider = Provider::start(&[&rsa]).await;
    let gateway =
        gateway(&format!("algorithms = 'RS256'\njwks_url = '{}'\n[graphql]\nintrospection = 'off'", provider.url))
            .await;
    let query = json!({"query": "{ __schema { queryType { name } } }"});
    let closed = gateway.ask(&rsa.token(&claims(json!({}))), None, query.clone()).await;
    assert_eq!(closed.json()["data"]["__schema"], Value::Null, "{}", closed.text);
    let guess = json!({"query": "mutation ($a: CreateCustomerInput!) { createCustomer(input: $a) { userErrors { code } } }", "variables": {"a": {"x": 1}}});
    let told = gateway.ask(&rsa.token(&claims(json!({}))), None, guess).await;
    assert!(!told.text.contains("phone") && told.text.contains("BAD_USER_INPUT"), "{}", told.text);
    let open = rsa.token(&claims(json!({"permissions": ["customers:read", "schema:introspect"]})));
    let open = gateway.ask(&open, None, query).await;
    assert_eq!(open.json()["data"]["__schema"]["queryType"]["name"], "Query", "{}", open.text);
}

#[tokio::test]
async fn claims_are_found_under_the_names_that_the_settings_give() {
    let rsa = Signer::rsa();
    let provider = Provider::start(&[&rsa]).await;
    let names = "permissions_claim = 'realm_access.roles'\naccount_claim = 'https://example.com/account'";
    let gateway = gateway(&format!("algorithms = 'RS256'\njwks_url = '{}'\n{names}", provider.url)).await;
    let account = "0a000000-0000-4000-8000-00000000000a";
    let token = claims(json!({
        "realm_access": {"roles": ["offline_access", "customers_unmask"]}, "https://example.com/account": [account],
    }));
    let viewer = gateway.viewer(&rsa.token(&token)).await.viewer();
    assert_eq!(viewer, json!({"subject": "user-7", "accountId": account, "permissions": ["CUSTOMERS_UNMASK"]}));
}

#[tokio::test]
async fn an_invalid_token_is_rejected_and_not_echoed() {
    let (rsa, ec) = (Signer::rsa(), Signer::ec("ec-1"));
    let (gateway, _provider) = with_rsa_and_ec(&rsa, &ec).await;
    let good = rsa.token(&claims(json!({})));
    assert_eq!(gateway.status(&good).await, 200);

    let sign = |other: Value| rsa.token(&claims(other));
    let header = |change: &dyn Fn(&mut Header)| {
        let mut header = rsa.header();
        change(&mut header);
        rsa.token_as(&header, &claims(json!({})))
    };
    let (head, rest) = good.split_once('.').unwrap();
    let (payload, signature) = rest.split_once('.').unwrap();
    let richer = URL_SAFE_NO_PAD.encode(claims(json!({"permissions": ["customers:unmask"]})).to_string());
    let confused = Signer { kid: rsa.kid, ..Signer::secret(&rsa.public) };
    let confused_trimmed = Signer { kid: rsa.kid, ..Signer::secret(rsa.public.trim()) };
    let other = Signer { kid: rsa.kid, ..Signer::other_rsa() };
    let none = json!({"alg": "none", "typ": "JWT"});
    let bad = [
        ("no token", String::new()),
        ("another issuer", sign(json!({"iss": "https://id.example.com"}))),
        ("no issuer", sign(json!({"iss": null}))),
        ("a list of issuers", sign(json!({"iss": [ISSUER, "https://evil.example"]}))),
        ("another audience", sign(json!({"aud": "https://other.example.com"}))),
        ("other audiences", sign(json!({"aud": ["a", "b"]}))),
        ("no audience", sign(json!({"aud": null}))),
        ("empty audience", sign(json!({"aud": []}))),
        ("expired", sign(json!({"exp": in_seconds(-31)}))),
        ("no expiry", sign(json!({"exp": null}))),
        ("an expiry that is text", sign(json!({"exp": in_seconds(300).to_string()}))),
        ("not valid yet", sign(json!({"nbf": in_seconds(60)}))),
        ("a start that is text", sign(json!({"nbf": in_seconds(-60).to_string()}))),
        ("no algorithm", unsigned(&none, &claims(json!({})))),
        ("no algorithm, with a signature", format!("{}{signature}", unsigned(&none, &claims(json!({}))))),
        ("no algorithm, in another case", unsigned(&json!({"alg": "NoNe"}), &claims(json!({})))),
        ("an algorithm that is not listed", header(&|header| header.alg = Algorithm::RS512)),
        ("the public key as the secret", confused.token(&claims(json!({})))),
        ("the public key as the secret, trimmed", confused_trimmed.token(&claims(json!({})))),
        ("the right key's name, another key", other.token(&claims(json!({})))),
        ("an unknown key", header(&|header| header.kid = Some("rsa-9".into()))),
        ("the name of a key of another kind", header(&|header| header.kid = Some("ec-1".into()))),
        ("its own key in the header", {
            let jwk = serde_json::from_value(Signer::other_rsa().jwk()).unwrap();
            let header = Header { jwk: Some(jwk), kid: None, ..rsa.header() };
            Signer::other_rsa().token_as(&header, &claims(json!({})))
        }),
        ("a token for something else", header(&|header| header.typ = Some("logout+jwt".into()))),
        ("a critical extension", header(&|header| header.crit = Some(vec!["b64".into()]))),
        ("other claims", format!("{head}.{richer}.{signature}")),
        ("no signature", format!("{head}.{payload}.")),
        ("two parts", format!("{head}.{payload}")),
        ("four parts", format!("{good}.{signature}")),
        ("garbage", "not-a-token-at-all".to_owned()),
        ("garbage in three parts", "e30.e30.e30".to_owned()),
        ("longer than 16 KiB", sign(json!({"padding": "x".repeat(16 * 1024)}))),
    ];
    let mut answers = std::collections::BTreeSet::new();
    for (what, token) in &bad {
        let got = gateway.viewer(token).await;
        assert_eq!((got.status, got.code()), (401, json!("UNAUTHENTICATED")), "{what}: {}", got.text);
        assert_eq!(got.headers["www-authenticate"], "Bearer", "{what}");
        let id = got.headers["request-id"].to_str().unwrap();
        assert!(!format!("{:?}", got.headers).contains("user-7"), "{what}");
        answers.insert(got.text.replace(id, "[id]"));
    }
    assert_eq!(answers.len(), 1, "nobody learns from the answer what was wrong: {answers:#?}");
    assert_eq!(gateway.status(&good).await, 200, "and good ones are taken as before");
}

#[tokio::test]
async fn tokens_over_16_kib_are_rejected_with_reason_too_long() {
    let secret = "a test secret of thirty-two bytes or more";
    let gateway = gateway(&format!("algorithms = ['HS256']\nsecret = '{secret}'")).await;
    let signer = Signer::secret(secret);
    let of_about = |bytes: usize| signer.token(&claims(json!({"groups": "x".repeat(bytes * 3 / 4 - 600)})));
    for kib in [8, 9, 12, 15] {
        let token = of_about(kib * 1024 + 512);
        assert!(token.len() > kib * 1024 && token.len() < 16 * 1024, "{}", token.len());
        assert_eq!(gateway.status(&token).await, 200, "{kib} KiB");
    }
    assert_eq!(gateway.status(&of_about(18 * 1024)).await, 401);
    // The reason is in the metrics of a whole process.
    let process = crate::process::Process::start(&[
        ("GATEWAY__AUTH__MODE", "jwt"),
        ("GATEWAY__AUTH__JWT__ISSUER", ISSUER),
        ("GATEWAY__AUTH__JWT__AUDIENCE", AUDIENCE),
        ("GATEWAY__AUTH__JWT__ALGORITHMS", "HS256"),
        ("GATEWAY__AUTH__JWT__SECRET", secret),
    ])
    .await;
    let request = reqwest::Client::builder().no_proxy().build().unwrap().post(format!("{}/graphql", process.base()));
    let request = request.json(&json!({"query": "{ viewer { subject } }"})).bearer_auth(of_about(18 * 1024));
    assert_eq!(request.send().await.unwrap().status(), 401);
    let refused = async |reason| {
        let name = "gateway_tokens_rejected_total";
        crate::telemetry::Shown::by(&process).await.sum(name, &[("reason", reason)])
    };
    assert_eq!((refused("too_long").await, refused("missing").await, refused("malformed").await), (1.0, 0.0, 0.0));
}

#[tokio::test]
async fn token_times_allow_for_the_leeway() {
    let (rsa, ec) = (Signer::rsa(), Signer::ec("ec-1"));
    let (gateway, _provider) = with_rsa_and_ec(&rsa, &ec).await;
    for near in [json!({"exp": in_seconds(-20)}), json!({"nbf": in_seconds(20)}), json!({"nbf": in_seconds(-20)})] {
        assert_eq!(gateway.status(&rsa.token(&claims(near.clone()))).await, 200, "{near}");
    }
}

#[tokio::test]
async fn a_shared_secret_works_for_its_own_algorithms_only() {
    let secret = "a test secret of thirty-two bytes or more";
    let gateway = gateway(&format!("algorithms = ['HS256']\nsecret = '{secret}'")).await;
    let signer = Signer::secret(secret);
    assert_eq!(gateway.status(&signer.token(&claims(json!({})))).await, 200);
    assert_eq!(gateway.status(&signer.token_as(&Header::new(Algorithm::HS256), &claims(json!({})))).await, 200);
    assert_eq!(gateway.status(&signer.token_as(&Header::new(Algorithm::HS512), &claims(json!({})))).await, 401);
    assert_eq!(gateway.status(&Signer::rsa().token(&claims(json!({})))).await, 401);
    assert_eq!(
        gateway.status(&Signer::secret("another secret of thirty-two bytes").token(&claims(json!({})))).await,
        401
    );
}

/// The binary, configured by variables, with its log.
struct Program {
    child: Child,
    graphql: String,
    /// Kept open while the process runs, because it may still be writing its startup text.
    _stdout: BufReader<ChildStdout>,
}

impl Drop for Program {
    fn drop(&mut self) {
        let _stopped_before = self.child.kill();
    }
}

impl Program {
    fn start(variables: &[(&str, &str)]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_customers-gateway"));
        command.env_clear().stdout(Stdio::piped()).stderr(Stdio::piped());
        let anywhere = ["SERVER__LISTEN", "SERVER__ADMIN_LISTEN", "SANDBOX__LISTEN"];
        let anywhere = anywhere.map(|name| (name, "127.0.0.1:0"));
        for (name, value) in anywhere.iter().chain(variables) {
            command.env(format!("GATEWAY__{name}"), value);
        }
        let mut child = command.spawn().unwrap();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let lines = stdout.by_ref().lines().map_while(Result::ok);
        let graphql = lines.filter_map(|line| line.split_once("GraphQL   ").map(|(_, url)| url.to_owned())).next();
        Self { child, graphql: graphql.expect("it says where it serves"), _stdout: stdout }
    }

    /// Stops the process and returns its log.
    fn log(mut self) -> String {
        self.child.kill().unwrap();
        let mut log = String::new();
        self.child.stderr.take().unwrap().read_to_string(&mut log).unwrap();
        self.child.wait().unwrap();
        log
    }
}

#[tokio::test]
async fn the_log_has_the_reason_and_no_part_of_the_token() {
    let (rsa, ec) = (Signer::rsa(), Signer::ec("ec-1"));
    let provider = Provider::start(&[&rsa, &ec]).await;
    let variables = [
        ("AUTH__MODE", "jwt"),
        ("AUTH__JWT__ISSUER", ISSUER),
        ("AUTH__JWT__AUDIENCE", AUDIENCE),
        ("AUTH__JWT__ALGORITHMS", "RS256,ES256"),
        ("AUTH__JWT__JWKS_URL", &provider.url),
        ("LOG__LEVEL", "trace"),
    ];
    let program = Program::start(&variables);
    let send = async |token: &str| {
        let request = reqwest::Client::builder().no_proxy().build().unwrap().post(&program.graphql);
        let request = request.bearer_auth(token).json(&json!({"query": "{ viewer { subject } }"}));
        request.send().await.unwrap().status().as_u16()
    };
    let token = rsa.token(&claims(json!({"exp": in_seconds(-600), "email": "tess@example.com"})));
    assert_eq!(send(&token).await, 401);
    assert_eq!(send(&ec.token(&claims(json!({"email": "tess@example.com"})))).await, 200);
    let log = program.log();
    assert!(log.contains("a bearer token was rejected") && log.contains("expired"), "{log}");
    for secret in [token.split('.').nth(1).unwrap(), "user-7", "tess@", "id.example.com", "customers.example.com"] {
        assert!(!log.contains(secret), "{secret} is in the log: {log}");
    }
}
