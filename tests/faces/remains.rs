//! When the last handle is gone, nothing remains: no thread, no descriptor, no file but the lock.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use crate::desk::{DeskClient, both, multi, single, watch};
use crate::{alone, desk};

/// The names of this process's threads, and what its descriptors stand for.
fn possessions() -> (Vec<String>, BTreeSet<String>) {
    let entries =
        |path: &str| std::fs::read_dir(path).unwrap().filter_map(Result::ok).map(|entry| entry.path());
    let mut threads: Vec<String> = entries("/proc/self/task")
        .filter_map(|task| std::fs::read_to_string(task.join("comm")).ok())
        .collect();
    threads.sort();
    let descriptor =
        |path: std::path::PathBuf| Some(format!("{path:?} {:?}", std::fs::read_link(&path).ok()?));
    // The descriptor by which this directory is read is one of them, and has another number each time.
    let descriptors = entries("/proc/self/fd").filter_map(descriptor).filter(|text| !text.contains("/fd\""));
    (threads, descriptors.collect())
}

/// What is there after `test` must be what was there before it, as soon as threads that have been told to end have ended.
fn leaves_nothing(name: &str, test: impl Fn()) {
    let _watchdog = watch(name);
    let before = possessions();
    test();
    let until = Instant::now() + Duration::from_secs(10);
    loop {
        let after = possessions();
        // Names come late: a thread that has just been started still has its parent's.
        if (after.0.len(), &after.1) == (before.0.len(), &before.1) {
            return;
        }
        assert!(Instant::now() < until, "before: {before:#?}\nafter: {after:#?}");
        std::thread::park_timeout(Duration::from_millis(5));
    }
}

/// The files in a directory.
fn files(directory: &tempfile::TempDir) -> Vec<String> {
    let entries = std::fs::read_dir(directory.path()).unwrap();
    let mut names: Vec<_> =
        entries.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

#[test]
fn nothing_remains_of_threads() {
    alone::run("remains::nothing_remains_of_threads", &[], || {
        leaves_nothing("nothing_remains_of_threads", || {
            let directory = tempfile::tempdir().unwrap();
            let path = format!("unix:{}/socket", directory.path().display());
            let server =
                both().listen(path).listen("tcp://127.0.0.1:0").listen("mem:remains").wait().unwrap();
            assert_eq!(files(&directory), ["socket", "socket.lock"]);
            for url in server.urls() {
                let client: DeskClient = farcall::connect(url.as_str()).wait().unwrap();
                assert_eq!(client.add(1, 2).wait().unwrap(), 3);
                drop(client.stick(1).submit());
            }
            let kept: DeskClient = farcall::connect(server.url()).wait().unwrap();
            let join = server.join();
            drop(server);
            join.wait().unwrap();
            assert_eq!(files(&directory), ["socket.lock"]);
            assert!(kept.add(1, 2).wait().is_err());
        });
    });
}

#[test]
fn nothing_remains_of_a_runtime() {
    alone::run("remains::nothing_remains_of_a_runtime", &[], || {
        leaves_nothing("nothing_remains_of_a_runtime", || {
            let directory = tempfile::tempdir().unwrap();
            let path = format!("unix:{}/socket", directory.path().display());
            for runtime in [single(), multi()] {
                runtime.block_on(async {
                    let server =
                        both().listen(path.as_str()).listen("tcp://127.0.0.1:0").listen("mem:remains");
                    let server = server.await.unwrap();
                    for url in server.urls() {
                        let client: DeskClient = farcall::connect(url.as_str()).await.unwrap();
                        assert_eq!(client.add(1, 2).await.unwrap(), 3);
                        drop(client.stick(1).submit());
                    }
                    let join = server.join();
                    drop(server);
                    join.await.unwrap();
                    assert_eq!(files(&directory), ["socket.lock"]);
                });
            }
        });
    });
}

#[test]
fn nothing_remains_of_a_client_that_others_attended() {
    alone::run("remains::nothing_remains_of_a_client_that_others_attended", &[], || {
        let server = desk::open("unix:@farcall-faces-remains");
        leaves_nothing("nothing_remains_of_a_client_that_others_attended", || {
            let client: DeskClient = farcall::connect(server.url()).wait().unwrap();
            let slot = farcall::testkit::Slot::default();
            let put = slot.clone();
            client.add(2, 2).on_complete(move |sum| put.put(sum)).unwrap();
            assert_eq!(farcall::testkit::block_on(slot.take()), Ok(4));
            assert_eq!(farcall::testkit::block_on(client.add(3, 3)), Ok(6));
        });
    });
}
