//! `tests/advisories.sh`: checks where the database is reached, and says how much is known where it is not.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use sha2::{Digest, Sha256};

use crate::process::Directory;

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/advisories.sh");
const DENY: &str = include_str!("../../deny.toml");
const CHECKED: &str = include_str!("../advisories.checked");

/// A project of the script, its record and a lock file, with stand-ins for `git` and `cargo`.
struct Project(Directory);

impl Project {
    fn new(reached: bool, found: bool) -> Self {
        let directory = Directory::new();
        for folder in ["tests", "bin", "target/judges/advisory-db/advisory-db-1"] {
            std::fs::create_dir_all(directory.path(folder)).unwrap();
        }
        std::fs::copy(SCRIPT, directory.path("tests/advisories.sh")).unwrap();
        std::fs::write(directory.path("deny.toml"), DENY).unwrap();
        std::fs::write(directory.path("Cargo.lock"), "version = 4\n").unwrap();
        let program = |name: &str, text: String| {
            let path = directory.path("bin").join(name);
            std::fs::write(&path, text).unwrap();
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        };
        let status = |good: bool| i32::from(!good);
        program(
            "git",
            format!("#!/bin/sh\ncase $1 in ls-remote) exit {};; *) echo abc123 2030-01-02;; esac\n", status(reached)),
        );
        program("cargo", format!("#!/bin/sh\necho \"cargo $*\"\ncase $* in *check*) exit {};; esac\n", status(!found)));
        let project = Self(directory);
        project.checked(&today(), &project.lock());
        project
    }

    fn lock(&self) -> String {
        let digest = Sha256::digest(self.0.read("Cargo.lock"));
        digest.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    fn checked(&self, date: &str, lock: &str) {
        let text =
            format!("checked = {date}\ndatabase-commit = abc000\ndatabase-date = {date}\ncargo-lock-sha256 = {lock}\n");
        std::fs::write(self.0.path("tests/advisories.checked"), text).unwrap();
    }

    /// Whether it is content, and what it says.
    fn run(&self, arguments: &[&str]) -> (bool, String) {
        let path = format!("{}:{}", self.0.path("bin").display(), std::env::var("PATH").unwrap());
        let mut script = Command::new("bash");
        let output = script.arg(self.0.path("tests/advisories.sh")).args(arguments).env("PATH", path).output().unwrap();
        let said = [output.stdout, output.stderr].concat();
        (output.status.success(), String::from_utf8(said).unwrap())
    }
}

fn today() -> String {
    chrono::Utc::now().date_naive().to_string()
}

#[test]
fn an_advisory_fails_the_run_where_the_database_is_reached() {
    let (good, said) = Project::new(true, false).run(&[]);
    assert!(good && said.contains("check advisories") && said.contains("2030-01-02"), "{said}");
    let (good, said) = Project::new(true, true).run(&[]);
    assert!(!good && said.contains("check advisories"), "{said}");
}

#[test]
fn without_the_database_the_last_check_is_told() {
    let project = Project::new(false, true);
    let (good, said) = project.run(&[]);
    assert!(good && said.contains(&today()) && said.contains("abc000") && !said.contains("WARNING"), "{said}");
    project.checked("2024-02-29", &project.lock());
    let (good, said) = project.run(&[]);
    assert!(
        good && said.contains("2024-02-29") && said.contains("days old") && !said.contains("has changed"),
        "{said}"
    );
    project.checked(&today(), "of another lock file");
    let (good, said) = project.run(&[]);
    assert!(good && said.contains("Cargo.lock has changed since") && !said.contains("days old"), "{said}");
}

#[test]
fn only_what_was_checked_is_recorded() {
    for (reached, found) in [(false, false), (true, true)] {
        let project = Project::new(reached, found);
        let before = project.0.read("tests/advisories.checked");
        let (good, said) = project.run(&["--record"]);
        assert!(!good && project.0.read("tests/advisories.checked") == before, "{said}");
    }
    let project = Project::new(true, false);
    assert!(project.run(&["--record"]).0);
    let record = project.0.read("tests/advisories.checked");
    let lines = [format!("checked = {}", today()), "database-commit = abc123".to_owned()];
    for line in lines
        .into_iter()
        .chain(["database-date = 2030-01-02".to_owned(), format!("cargo-lock-sha256 = {}", project.lock())])
    {
        assert!(record.lines().any(|found| found == line), "{line}: {record}");
    }
}

#[test]
fn the_committed_record_is_whole() {
    let value = |name: &str| {
        let found = CHECKED.lines().find_map(|line| line.strip_prefix(&format!("{name} = ")));
        found.unwrap_or_else(|| panic!("no {name}: {CHECKED}"))
    };
    let is_hexadecimal = |text: &str| text.bytes().all(|byte| byte.is_ascii_hexdigit());
    assert!(value("database-commit").len() == 40 && is_hexadecimal(value("database-commit")));
    assert!(value("cargo-lock-sha256").len() == 64 && is_hexadecimal(value("cargo-lock-sha256")));
    assert!(value("database-date") <= value("checked"));
    assert!(Path::new(SCRIPT).metadata().unwrap().permissions().mode() & 0o111 != 0);
}
