//! The sources, with the embedded defaults and test environments.

use rstest::rstest;

use super::*;
use crate::config::Settings;

fn settings(variables: &[(&str, &str)]) -> Result<Settings, Error> {
    Settings::from_sources(&sources(variables)?)
}

fn sources(variables: &[(&str, &str)]) -> Result<Sources, Error> {
    let source = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    Sources::read(None, environment().source(Some(source)))
}

#[rstest]
#[case("GATEWAY__SERVER__LISTN", "server.listn", Some("server.listen"))]
#[case("GATEWAY__SERVR__ADMIN_LISTEN", "servr.admin_listen", Some("server.admin_listen"))]
#[case("GATEWAY__SERVER__MAX_TOKENS", "server.max_tokens", Some("graphql.max_tokens"))]
#[case("GATEWAY__UPSTREAM__API_KEYS", "upstream.api_keys", Some("upstream.api_key"))]
#[case("GATEWAY__ELEPHANTS", "elephants", None)]
fn an_unknown_setting_is_reported_with_the_nearest_name(
    #[case] variable: &str,
    #[case] name: &str,
    #[case] meant: Option<&str>,
) {
    let told = settings(&[(variable, "sk_live_1")]).expect_err("an unknown setting").to_string();
    assert!(told.contains(&format!("{name} ({variable})")) && !told.contains("sk_live"), "{told}");
    match meant {
        Some(meant) => assert!(told.contains(&format!("did you mean {meant}?")), "{told}"),
        None => assert!(!told.contains("did you mean"), "{told}"),
    }
}

#[test]
fn each_setting_is_reported_with_its_source() {
    let sources = sources(&[("GATEWAY__SERVER__DEADLINE", "3s"), ("GATEWAY__UPSTREAM__MAX_IN_FLIGHT", "7")]);
    let told = sources.expect("known settings").effective();
    let of = |name: &str| {
        let found = told.iter().find(|setting| setting.name == name).expect("a setting");
        (found.value.as_str(), found.origin.as_str())
    };
    assert_eq!(of("server.deadline"), ("\"3s\"", "GATEWAY__SERVER__DEADLINE"));
    assert_eq!(of("upstream.max_in_flight"), ("7", "GATEWAY__UPSTREAM__MAX_IN_FLIGHT"));
    assert_eq!(of("server.drain_timeout"), ("\"25s\"", "default"));
    assert_eq!(of("upstream.api_key"), ("(a secret)", "default"));
    assert_eq!(of("auth.jwt.secret"), ("(none)", "default"));
}

#[test]
fn each_default_is_read() {
    for name in flatten_source(&defaults()).expect("the defaults").into_keys() {
        let table = Value::from(Map::from_iter([("a".to_owned(), Value::from(vec!["b"]))]));
        let config = Config::builder().add_source(defaults()).set_override(&*name, table).expect("a name").build();
        let read = config.and_then(Config::try_deserialize::<Settings>);
        assert!(read.is_err(), "no struct of the settings reads {name}");
    }
}

#[test]
fn settings_with_a_secret_type_are_never_shown() {
    const PLANTED: &str = "planted-0123456789-0123456789-0123456789";
    let defaults = flatten_source(&defaults()).expect("the defaults");
    let texts = defaults.iter().filter(|(_, value)| matches!(value.kind, ValueKind::String(_)));
    let mut secrets = 0;
    for (name, _) in texts {
        let variable = variable(name);
        let sources = sources(&[(variable.as_str(), PLANTED)]).expect("a known setting");
        // A setting that rejects this text, such as an address, is not a secret.
        let (Some(settings), problems) = sources.settings::<Settings>() else { continue };
        if !problems.is_empty() {
            continue;
        }
        let secret = !format!("{settings:?}").contains(PLANTED);
        let shown = sources.effective().iter().any(|setting| setting.value.contains(PLANTED));
        assert_eq!(secret, !shown, "{name}");
        secrets += usize::from(secret);
    }
    assert_eq!(secrets, SECRETS.len());
}
