//! The decoders of a frame: header, optional fields, and the payload of every kind; and those of the rendezvous.

#![no_main]

use farcall_core::limits::{MAX_ERROR_TEXT, MAX_METHODS, MAX_REASON};
use farcall_core::wire::rendezvous::{Grant, Request};
use farcall_core::wire::{
    Hello, Open, Opened, decode_cancelled, decode_error, encode_cancelled, encode_error, parse,
};

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    if let Ok(parsed) = parse(data) {
        let again = parsed.head.encode(parsed.options);
        let reparsed = parse(again.as_slice()).expect("what was written can be read");
        assert_eq!((reparsed.head.kind, reparsed.head.call), (parsed.head.kind, parsed.head.call));
        assert_eq!(reparsed.options.deadline, parsed.options.deadline);
        assert_eq!(reparsed.options.cause, parsed.options.cause);
        payload(parsed.payload);
    }
    payload(data);
    rendezvous(data);
});

fn rendezvous(bytes: &[u8]) {
    if let Some(Ok(request)) = bytes.first_chunk().map(Request::decode) {
        assert_eq!(Request::decode(&request.encode()), Ok(request));
    }
    if let Some(Ok((grant, text))) = bytes.first_chunk().map(Grant::decode) {
        assert!(text <= MAX_REASON);
        let again = grant.encode();
        let again = again.first_chunk().map(Grant::decode).expect("a grant has its size");
        assert_eq!(again, Ok((grant, 0)));
    }
}

fn payload(bytes: &[u8]) {
    if let Ok(hello) = Hello::decode(bytes) {
        assert_eq!(Hello::decode(&hello.encode()), Ok(hello));
    }
    if let Ok(open) = Open::decode(bytes) {
        assert!(open.methods.len() <= MAX_METHODS);
        let rows = open.methods.iter().map(|row| (row.name.as_str(), row.fingerprint));
        assert_eq!(Open::decode(&Open::encode(&open.service, rows)), Ok(open));
    }
    if let Ok(opened) = Opened::decode(bytes) {
        let again = Opened::decode(&opened.encode()).expect("what was written can be read");
        assert_eq!((again.known, again.answers), (opened.known, opened.answers));
    }
    if let Ok(error) = decode_error(bytes) {
        let again = decode_error(&encode_error(&error)).expect("what was written can be read");
        assert_eq!((again.code(), again.fate()), (error.code(), error.fate()));
        assert!(again.to_string().len() <= MAX_ERROR_TEXT);
    }
    if let Ok(fate) = decode_cancelled(bytes) {
        assert_eq!(decode_cancelled(&encode_cancelled(fate)), Ok(fate));
    }
}
