//! Standard output and standard error that are closed or have a stalled reader: the gateway does not wait for them.

use std::io::{BufRead, BufReader, Read, pipe};
use std::net::TcpListener;
use std::process::{ChildStderr, Command, Stdio};
use std::sync::mpsc::channel;
use std::time::Duration;

use crate::binary::{Serving, ended, program, run};
use crate::support::gateway::client;

/// A small queue, so that a test can fill it.
const SMALL: &[(&str, &str)] =
    &[("GATEWAY__LOG__QUEUE_SIZE", "16"), ("GATEWAY__LOG__FORMAT", "json"), ("GATEWAY__LOG__LEVEL", "info")];

/// Logs more lines than a pipe and the small queue hold.
async fn fill_the_log(serving: &Serving) {
    let nothing = serving.graphql.replace("/graphql", "/nothing");
    for _ in 0..600 {
        assert_eq!(client().get(&nothing).send().await.unwrap().status(), 404);
    }
}

fn admin(serving: &Serving, path: &str) -> String {
    let ready = serving.greeting.split_whitespace().find(|word| word.ends_with("/readyz")).unwrap();
    ready.replace("/readyz", path)
}

async fn dropped(serving: &Serving) -> f64 {
    let text = client().get(admin(serving, "/metrics")).send().await.unwrap().text().await.unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix("gateway_log_lines_dropped_total ")).unwrap();
    line.parse().unwrap()
}

fn terminate(serving: &Serving) {
    let pid = serving.child.id().to_string();
    assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
}

#[tokio::test]
async fn a_blocked_log_reader_does_not_block_requests_or_exit() {
    let mut serving = Serving::start(SMALL);
    fill_the_log(&serving).await;
    assert_eq!(client().get(admin(&serving, "/livez")).send().await.unwrap().status(), 200);
    assert!(dropped(&serving).await > 0.0, "a pipe and the queue do not hold so much");
    terminate(&serving);
    assert_eq!(ended(&mut serving.child).code(), Some(0));
}

#[tokio::test]
async fn dropped_log_lines_are_reported_once() {
    let mut serving = Serving::start(SMALL);
    fill_the_log(&serving).await;
    assert!(dropped(&serving).await > 0.0);
    let stderr: ChildStderr = serving.child.stderr.take().unwrap();
    let (tell, told) = channel();
    let reader = std::thread::spawn(move || {
        let mut all = Vec::new();
        for line in BufReader::new(stderr).lines() {
            all.push(line.unwrap());
            let _nobody_waits = tell.send(all.last().unwrap().contains("log lines are dropped"));
        }
        all
    });
    while !told.recv_timeout(Duration::from_secs(30)).expect("it says that lines were dropped") {}
    terminate(&serving);
    assert_eq!(ended(&mut serving.child).code(), Some(0));
    let all = reader.join().unwrap();
    assert_eq!(all.iter().filter(|line| line.contains("log lines are dropped")).count(), 1);
    // The lines of the exit have come, and all of them are whole.
    assert!(all.iter().any(|line| line.contains("shutting down")), "{:?}", all.last());
    for line in &all {
        serde_json::from_str::<serde_json::Value>(line).unwrap_or_else(|_| panic!("not a whole line: {line}"));
    }
}

/// An address without a listener.
fn free() -> String {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string()
}

#[tokio::test]
async fn closed_output_streams_do_not_stop_the_gateway() {
    for (closed_out, closed_error) in [(true, false), (false, true), (true, true)] {
        let address = free();
        let mut command = program(&["serve"], &[("GATEWAY__SERVER__LISTEN", &address)]);
        let closed = || Stdio::from(pipe().unwrap().1);
        command.stdout(if closed_out { closed() } else { Stdio::null() });
        command.stderr(if closed_error { closed() } else { Stdio::null() });
        let mut child = command.spawn().unwrap();
        let alive = format!("http://{address}/livez");
        loop {
            assert!(child.try_wait().unwrap().is_none(), "it ended: {closed_out} {closed_error}");
            if client().get(&alive).send().await.is_ok_and(|answer| answer.status() == 200) {
                break;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        assert!(Command::new("kill").args(["-TERM", &child.id().to_string()]).status().unwrap().success());
        assert_eq!(ended(&mut child).code(), Some(0));
    }
}

#[test]
fn a_broken_pipe_is_not_a_command_failure() {
    for arguments in [&["check-config"][..], &["schema"]] {
        let mut child = program(arguments, &[]).spawn().unwrap();
        let mut stderr = child.stderr.take().unwrap();
        let mut first = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut first).unwrap();
        let status = ended(&mut child);
        let mut told = String::new();
        stderr.read_to_string(&mut told).unwrap();
        assert!(status.success() && told.is_empty(), "{arguments:?}: {status} {told}");
        assert!(!first.is_empty());
    }
}

#[test]
fn an_error_at_the_start_does_not_wait_for_its_reader() {
    // The pipe is full, so the error line does not fit.
    let (reader, writer) = pipe().unwrap();
    let filled = writer.try_clone().unwrap();
    let mut filler =
        Command::new("head").args(["-c", "65536", "/dev/zero"]).stdout(Stdio::from(filled)).spawn().unwrap();
    filler.wait().unwrap();
    let mut command = program(&["serve"], &[("GATEWAY__SERVER__LISTEN", "nowhere")]);
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::from(writer)).spawn().unwrap();
    assert_eq!(ended(&mut child).code(), Some(1));
    drop(reader);
    assert!(!run(&["serve"], &[("GATEWAY__SERVER__LISTEN", "nowhere")]).status.success());
}
