//! Descriptors: running out of them, and leaving none behind.

use crate::harness::child;

#[test]
fn without_descriptors_an_arrival_is_turned_away_and_later_ones_get_in() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("s");
    for url in [format!("unix:{}", path.display()), "tcp://127.0.0.1:0".into()] {
        let status = child("accept_without_descriptors").env("URL", url).status().unwrap();
        assert!(status.success());
    }
}

#[test]
fn without_descriptors_the_peer_is_known_a_little_later() {
    assert!(child("learn_of_the_peer_without_descriptors").status().unwrap().success());
}

#[test]
fn no_descriptor_and_no_thread_is_left() {
    assert!(child("come_and_go").status().unwrap().success());
}
