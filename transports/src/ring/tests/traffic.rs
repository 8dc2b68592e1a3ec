//! Frames of all sizes, one side at a time.

use super::super::{Layout, Popped, Pushed};
use super::pair;

#[test]
fn frames_come_out_as_they_went_in() {
    let (mut here, mut there) = pair(Layout::new(128 * 1024).unwrap());
    let mut frame = Vec::new();
    for size in 0..=200 {
        let bytes: Vec<u8> = (0..size).collect();
        let (head, body) = bytes.split_at(usize::from(size) / 3);
        assert_eq!(here.producer.push(head, body), Ok(Pushed::Taken));
        assert_eq!(there.consumer.pop(&mut frame), Ok(Popped::Frame));
        assert_eq!(frame, bytes);
        assert_eq!(there.consumer.pop(&mut frame), Ok(Popped::Nothing));
    }
    here.producer.close();
    assert_eq!(there.consumer.pop(&mut frame), Ok(Popped::Closed));
    assert_eq!(here.producer.taken(), Ok(201));
}
