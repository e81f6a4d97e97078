//! The architecture's rules, held by reading the sources: who may use whom, how files are named and how long they get,
//! what no file may name, and that every setting is explained. docs/architecture.md tells the reasons.

use std::fs;
use std::path::{Path, PathBuf};

use customers_gateway::error::ErrorCode;

/// What each area of `src/` may use of the others. Dependencies point down only; a new area gets a row.
const MAY_USE: [(&str, &[&str]); 22] = [
    ("lib", &[]),
    ("main", &["cli"]),
    (
        "cli",
        &[
            "app",
            "auth",
            "config",
            "graphql",
            "operation::document::trusted",
            "outbound",
            "privacy",
            "server",
            "telemetry",
        ],
    ),
    ("server", &["app", "config", "http", "telemetry"]),
    (
        "app",
        &[
            "admission",
            "auth",
            "cache",
            "config",
            "customers",
            "error",
            "fair_limit",
            "graphql",
            "operation",
            "privacy",
            "telemetry",
            "upstream",
        ],
    ),
    (
        "config",
        &[
            "admission",
            "auth",
            "cache",
            "customers::RequiredReasons",
            "operation",
            "outbound",
            "privacy",
            "setting",
            "telemetry",
            "upstream",
        ],
    ),
    ("http", &["admission", "app", "auth", "error", "operation", "telemetry"]),
    ("auth", &["error", "outbound", "telemetry"]),
    ("admission", &["auth", "error", "fair_limit", "privacy", "setting", "telemetry"]),
    (
        "operation",
        &[
            "auth",
            "customers::Session",
            "error",
            "graphql::Schema",
            "graphql::connection",
            "graphql::error::extensions",
            "graphql::nullability",
            "graphql::root_field",
            "graphql::schema::ENGINE_MAX_DEPTH",
            "model",
            "privacy",
            "response_size",
            "setting",
            "telemetry",
        ],
    ),
    ("graphql", &["auth", "customers", "error", "model", "privacy", "upstream"]),
    (
        "customers",
        &["cache", "error", "fair_limit", "model", "privacy", "response_size", "setting", "telemetry", "upstream"],
    ),
    ("cache", &["model", "privacy", "setting", "telemetry"]),
    ("upstream", &["fair_limit", "model", "outbound", "privacy", "setting", "telemetry"]),
    ("model", &["privacy", "response_size"]),
    ("privacy", &["response_size", "setting", "telemetry"]),
    ("fair_limit", &["telemetry"]),
    ("error", &[]),
    ("response_size", &[]),
    ("outbound", &[]),
    ("setting", &[]),
    ("telemetry", &["error", "setting"]),
];

/// Words that the code of an area does not hold: crates that belong to another one, and what it should not know of.
const NEVER_SAYS: [(&str, &[&str]); 7] = [
    ("http", &["reqwest", "redis", "Customer", "Review", "email", "phone", "ssn", "dob", "ein"]),
    ("operation", &["axum", "reqwest", "redis"]),
    ("graphql", &["axum", "reqwest", "redis"]),
    ("customers", &["async_graphql", "axum", "reqwest", "redis"]),
    ("cache", &["async_graphql", "axum", "reqwest"]),
    ("upstream", &["axum", "redis"]),
    ("model", &["axum", "reqwest", "redis"]),
];

/// What one file may say though its area does not: the engine's loaders, and the clock and the spawner they run on.
const EXCEPTIONS: [(&str, &str); 2] = [
    ("src/customers/read/loaders.rs", "async_graphql::dataloader"),
    ("src/customers/read/loaders.rs", "async_graphql::runtime"),
];

/// Past this a file has a second idea.
const MOST_LINES: usize = 450;

/// Crates that must not be built in: they would look names up past the system's resolver, by nameservers of their own.
const OTHER_RESOLVERS: [&str; 2] = ["hickory-", "trust-dns-"];

#[test]
fn only_the_system_resolver_is_built_in() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let lock = fs::read_to_string(root.join("Cargo.lock")).unwrap();
    let crates = lock.lines().filter_map(|line| line.strip_prefix("name = \""));
    let found: Vec<&str> = crates.filter(|name| OTHER_RESOLVERS.iter().any(|other| name.starts_with(other))).collect();
    assert_eq!(found, [""; 0]);
}

/// Folders that are made, not written.
const NOT_WRITTEN: [&str; 4] = [".git", "target", "node_modules", "__pycache__"];

/// Addresses of package registries and places on somebody's machine. Written in halves, so that this file has none.
const NOWHERE: [&str; 8] = [
    concat!("registry.npmjs", ".org"),
    concat!("pypi", ".org"),
    concat!("files.pythonhosted", ".org"),
    concat!("index.crates", ".io"),
    concat!("static.crates", ".io"),
    concat!("deb.debian", ".org"),
    concat!("/work", "/"),
    concat!("/tmp", "/"),
];

#[test]
fn dependencies_point_down() {
    let broken: Vec<String> =
        sources().iter().flat_map(|(path, text)| [uses(path, text), words(path, text)].concat()).collect();
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

#[test]
fn files_are_short_and_named_after_their_module() {
    for (path, text) in sources_below(&["src", "sandbox/src"]) {
        assert!(!path.ends_with("/mod.rs"), "{path}: write it as the folder's name with .rs, beside the folder");
        let lines = text.lines().count();
        assert!(lines <= MOST_LINES, "{path} has {lines} lines, {MOST_LINES} at most: look for the second idea");
    }
}

#[test]
fn no_file_names_a_registry_or_a_local_path() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for path in files(root) {
        // What is not text has no lines to look at.
        let Ok(text) = fs::read_to_string(&path) else { continue };
        let found = nowhere(&text);
        assert!(found.is_empty(), "{} names {}", path.display(), found.join(", "));
    }
}

/// The table of docs/errors.md and the one of src/error.rs are one.
#[test]
fn every_error_code_is_explained() {
    let read = |path: &str| fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap();
    let docs = read("docs/errors.md");
    let (_, table) = docs.split_once("## `errors`").expect("the part about errors");
    let mut explained: Vec<&str> =
        table.lines().filter_map(|line| line.strip_prefix("| `")?.split_once("` |")).map(|(code, _)| code).collect();
    let mut codes: Vec<&str> = ErrorCode::ALL.iter().map(|code| code.name()).collect();
    explained.sort_unstable();
    codes.sort_unstable();
    assert_eq!(explained, codes);
}

#[test]
fn every_setting_is_explained() {
    let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("config/default.toml")).unwrap();
    assert_eq!(unexplained(&text), Vec::<String>::new());
}

#[test]
fn the_layout_rules_detect_violations() {
    let up = "use super::Cache;\nuse crate::{model::CustomerId, privacy};\nuse crate::graphql::{\n    Schema,\n    node,\n};\n";
    assert_eq!(
        uses("src/cache/key.rs", up),
        ["src/cache/key.rs: cache uses graphql::Schema", "src/cache/key.rs: cache uses graphql::node"]
    );
    let inline = "fn of(error: &crate::upstream::Error) {} // crate::cli\n/// [`crate::cli`]\n";
    assert_eq!(uses("src/upstream/wire/customer.rs", inline), Vec::<String>::new());
    assert_eq!(uses("src/model.rs", inline), ["src/model.rs: model uses upstream::Error"]);
    let schema = "use crate::graphql::{self, Schema, error::{extensions, other}};";
    assert_eq!(
        uses("src/operation/executor.rs", schema),
        ["graphql", "graphql::error::other"].map(|path| format!("src/operation/executor.rs: operation uses {path}"))
    );
    assert_eq!(uses("src/newcomer.rs", ""), ["src/newcomer.rs: newcomer has no row in MAY_USE"]);

    let engine = "use async_graphql::dataloader::Loader;\nuse async_graphql::Value;\n";
    assert_eq!(
        words("src/customers/read/loaders.rs", engine),
        ["src/customers/read/loaders.rs:2: customers says async_graphql"]
    );
    assert_eq!(words("src/customers/write/locks.rs", engine).len(), 2);
    assert_eq!(words("src/http/negotiation.rs", "let ssn = email_of(Customer);").len(), 2);
    assert_eq!(words("src/http/negotiation.rs", "let being = 1; // the dob").len(), 0);

    assert_eq!(nowhere(concat!("see /work", "/main and pypi", ".org")).len(), 2);

    let settings = "[a]\n# Why.\nfirst_bytes = 1\nlast_bytes = 2\n\nalone = 4\n[b]\nbare = \"\"\n";
    assert_eq!(unexplained(settings), ["alone", "bare"]);
}

/// Everything written below a folder.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        if NOT_WRITTEN.iter().any(|name| entry.file_name() == *name) {
            continue;
        }
        if entry.file_type().unwrap().is_dir() {
            found.extend(files(&entry.path()));
        } else {
            found.push(entry.path());
        }
    }
    found.sort();
    found
}

/// The gateway's sources as (`src/…`, text).
fn sources() -> Vec<(String, String)> {
    let found = sources_below(&["src"]);
    assert!(found.len() > 50, "the sources were not found");
    found
}

fn sources_below(folders: &[&str]) -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let found: Vec<PathBuf> = folders.iter().flat_map(|folder| files(&root.join(folder))).collect();
    let name = |path: &Path| path.strip_prefix(root).unwrap().to_str().unwrap().to_owned();
    found.iter().map(|path| (name(path), fs::read_to_string(path).unwrap())).collect()
}

/// `cache` of `src/cache/key.rs` and of `src/cache.rs`.
fn area(path: &str) -> &str {
    let inside = path.strip_prefix("src/").unwrap();
    inside.split(['/', '.']).next().unwrap()
}

/// The text without its comments: they may name what they like.
fn code(text: &str) -> String {
    let without = |line: &str| line.split_once("//").map_or(line.to_owned(), |(before, _)| before.to_owned());
    text.lines().map(without).collect::<Vec<_>>().join("\n")
}

/// Uses of other areas that an area may not make.
fn uses(path: &str, text: &str) -> Vec<String> {
    let area = area(path);
    let Some((_, allowed)) = MAY_USE.iter().find(|(name, _)| *name == area) else {
        return vec![format!("{path}: {area} has no row in MAY_USE")];
    };
    let code = code(text);
    let used = code.match_indices("crate::").flat_map(|(at, root)| expand("", &code[at + root.len()..]).0);
    let within = |used: &str, whole: &str| used == whole || used.starts_with(&format!("{whole}::"));
    used.filter(|used| !within(used, area) && !allowed.iter().any(|allowed| within(used, allowed)))
        .map(|used| format!("{path}: {area} uses {used}"))
        .collect()
}

/// The paths that a use tree stands for, and what follows it: `a::{self, b::c}` is `a` and `a::b::c`.
fn expand<'a>(prefix: &str, tree: &'a str) -> (Vec<String>, &'a str) {
    let end = tree.find(|c: char| !c.is_alphanumeric() && c != '_' && c != ':').unwrap_or(tree.len());
    let (written, mut rest) = tree.split_at(end);
    let path = format!("{prefix}{written}");
    let Some(inside) = rest.strip_prefix('{') else {
        let path = path.trim_end_matches("self").trim_end_matches("::");
        return (vec![path.to_owned()], rest);
    };
    let mut paths = Vec::new();
    rest = inside.trim_start();
    while !rest.is_empty() && !rest.starts_with('}') {
        let (found, after) = expand(&path, rest);
        paths.extend(found);
        // What follows a path in a group, such as `as other`, is no path of its own.
        let next = after.find([',', '}']).unwrap_or(after.len());
        rest = after[next..].trim_start_matches(',').trim_start();
    }
    (paths, rest.strip_prefix('}').unwrap_or(rest))
}

/// Words that the code of an area should not hold, with their lines.
fn words(path: &str, text: &str) -> Vec<String> {
    let area = area(path);
    let Some((_, never)) = NEVER_SAYS.iter().find(|(name, _)| *name == area) else { return Vec::new() };
    let mut found = Vec::new();
    for (at, line) in code(text).lines().enumerate() {
        let line = EXCEPTIONS
            .iter()
            .filter(|(file, _)| *file == path)
            .fold(line.to_owned(), |line, (_, allowed)| line.replace(allowed, ""));
        let words = line.split(|c: char| !c.is_alphanumeric() && c != '_').filter(|word| never.contains(word));
        found.extend(words.map(|word| format!("{path}:{}: {area} says {word}", at + 1)));
    }
    found
}

/// What of `NOWHERE` a text names.
fn nowhere(text: &str) -> Vec<&'static str> {
    NOWHERE.into_iter().filter(|place| text.contains(place)).collect()
}

/// Settings with no comment above them. Some that stand together share one.
fn unexplained(toml: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut explained = false;
    for line in toml.lines() {
        match line.split_once(" = ") {
            _ if line.starts_with('#') => explained = true,
            Some((name, _)) if !explained => found.push(name.to_owned()),
            Some(_) => {}
            None => explained = false,
        }
    }
    found
}
