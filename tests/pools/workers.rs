//! Child processes behind one client.

use std::time::{Duration, Instant};

use farcall::{Code, Fate};
use rustix::process::{Pid, Signal, kill_process};

use crate::crew::{CrewClient, connect, full, pids, shell, watch, workers};

#[test]
fn every_worker_is_a_process_and_takes_its_share() {
    let _watchdog = watch("every_worker_is_a_process_and_takes_its_share");
    let client = connect("n=4");
    full(&client, 4);
    assert_eq!(pids(&client, 4).len(), 4, "of idle workers each takes one call");
}

#[test]
fn a_worker_that_dies_is_replaced_and_its_call_says_how_it_ended() {
    let _watchdog = watch("a_worker_that_dies_is_replaced_and_its_call_says_how_it_ended");
    let client = connect("n=2");
    let before = full(&client, 2);
    let error = client.leave(9).wait().unwrap_err();
    assert!(matches!(error.code(), Code::PeerGone(_)), "{error:?}");
    assert_eq!(error.fate(), Fate::Unknown);
    assert!(error.to_string().contains("exit status: 9"), "{error}");
    assert_ne!(full(&client, 2), before);
}

#[test]
fn a_worker_that_is_killed_while_nobody_calls_costs_no_call() {
    let _watchdog = watch("a_worker_that_is_killed_while_nobody_calls_costs_no_call");
    let client = connect("n=2");
    for _ in 0..5 {
        let victim = full(&client, 2)[0];
        kill_process(Pid::from_raw(victim as i32).unwrap(), Signal::KILL).unwrap();
        while rustix::process::test_kill_process(Pid::from_raw(victim as i32).unwrap()).is_ok() {
            std::thread::yield_now();
        }
        for _ in 0..10 {
            client.pid().wait().unwrap();
        }
    }
}

#[test]
fn only_an_idempotent_call_runs_again_elsewhere() {
    let _watchdog = watch("only_an_idempotent_call_runs_again_elsewhere");
    let scratch = tempfile::tempdir().unwrap();
    let client = connect("n=2");
    let path = |name: &str| scratch.path().join(name).display().to_string();
    full(&client, 2);
    assert!(client.leave_once(path("wait")).wait().is_ok());
    full(&client, 2);
    let tokio = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    assert!(tokio.block_on(async { client.leave_once(path("await")).await }).is_ok());
    full(&client, 2);
    let mut call = client.leave_once(path("take")).submit();
    let taken = loop {
        if let Some(taken) = call.try_take() {
            break taken;
        }
    };
    assert!(taken.is_ok(), "{taken:?}");
    full(&client, 2);
    assert_eq!(client.leave(1).wait().unwrap_err().fate(), Fate::Unknown);
}

#[test]
fn when_all_workers_are_gone_calls_fail_at_once_with_the_last_status() {
    let _watchdog = watch("when_all_workers_are_gone_calls_fail_at_once_with_the_last_status");
    let client = connect("n=2&restart=never");
    for status in [4, 5] {
        let error = client.leave(status).wait().unwrap_err();
        assert!(error.to_string().contains(&format!("exit status: {status}")), "{error}");
    }
    let begun = Instant::now();
    let error = client.pid().deadline(Duration::from_secs(20)).wait().unwrap_err();
    assert_eq!((error.code(), error.fate()), (Code::Unavailable, Fate::NotSent), "{error:?}");
    assert!(error.to_string().contains("exit status: "), "{error}");
    assert!(begun.elapsed() < Duration::from_secs(10));
}

#[test]
fn a_worker_that_ends_in_order_is_replaced_only_if_always() {
    let _watchdog = watch("a_worker_that_ends_in_order_is_replaced_only_if_always");
    let client = connect("n=1&restart=on-failure");
    let first = pids(&client, 1);
    client.leave(3).wait().unwrap_err();
    while pids(&client, 1).is_empty() {}
    assert_ne!(pids(&client, 1), first);
    client.leave(0).wait().unwrap_err();
    for _ in 0..100 {
        assert_eq!(client.pid().wait().unwrap_err().code(), Code::Unavailable);
    }
}

#[test]
fn workers_that_never_serve_are_an_error_of_connect() {
    let _watchdog = watch("workers_that_never_serve_are_an_error_of_connect");
    let url = shell("exit 3", "n=2");
    let error = farcall::connect::<CrewClient>(url).wait().unwrap_err();
    assert!(error.to_string().contains("exit status: 3"), "{error}");
    assert_eq!(error.fate(), Fate::NotSent);
}

#[test]
fn a_crash_loop_slows_down() {
    let _watchdog = watch("a_crash_loop_slows_down");
    let scratch = tempfile::tempdir().unwrap();
    let log = scratch.path().join("log");
    let before = format!("echo x >> {0}; [ $(wc -l < {0}) = 1 ] || exit 6;", log.display());
    let client: CrewClient = farcall::connect(workers(&before, "n=1")).wait().unwrap();
    client.leave(6).wait().unwrap_err();
    let begun = Instant::now();
    let starts = || std::fs::read_to_string(&log).unwrap_or_default().lines().count();
    while starts() < 6 {
        let error = client.pid().wait().unwrap_err();
        assert!(error.to_string().contains("exit status: 6"), "{error}");
    }
    // 10, 20, 40, 80 and 160 ms.
    assert!(begun.elapsed() >= Duration::from_millis(300), "{:?}", begun.elapsed());
}

#[test]
fn the_workers_end_with_the_last_client() {
    let _watchdog = watch("the_workers_end_with_the_last_client");
    let client = connect("n=2");
    let pids = pids(&client, 2);
    drop(client);
    for pid in pids {
        while rustix::process::test_kill_process(Pid::from_raw(pid as i32).unwrap()).is_ok() {
            std::thread::yield_now();
        }
    }
}
