//! The table of wires, and URLs that are wrong.

use std::sync::Arc;

use farcall_core::transport::{Link, Listener};
use farcall_core::{Code, Error, Fate};
use farcall_transports::links::may_block;
use farcall_transports::{Query, Scheme, Url, register};

use crate::harness::{connect, listen};

#[test]
fn what_is_wrong_with_a_url_is_said_with_the_remedy() {
    let cases = [
        ("shmem:x", "known here: mem:, unix:, shm:, local:, mailbox:, mmap:, mq:, fifo:, tcp:"),
        ("mem:", "mem:calculator"),
        ("mem:x?window=1", "unknown option `window`"),
        ("unix:", "unix:/run/"),
        ("unix:calc.sock", "unix:./calc.sock"),
        ("unix:/run/", "names no file"),
        ("unix:@", "abstract"),
        ("unix://run/x", "unix:run"),
        ("unix:/run/x?mode=0777", "unknown option `mode`"),
        ("tcp:localhost:1", "tcp://host:port"),
        ("tcp://127.0.0.1", "tcp://127.0.0.1:4000"),
        ("tcp://127.0.0.1:1/x", "nothing belongs"),
        ("tcp://127.0.0.1:1?plaintext=yes", "plaintext=allow"),
        ("tcp://127.0.0.1:1?plaintext=allow&plaintext=allow", "2 times"),
        ("tcp://192.0.2.1:1", "?plaintext=allow"),
        ("tcp://0.0.0.0:0", "?plaintext=allow"),
        ("pipe:", "pipe_pair()"),
        ("fd:three", "fd:3,4"),
        ("fd:-1,4", "fd:3,4"),
        ("fd:0,1", "stdio:"),
        ("fd:19998,19999", "cannot be taken up"),
    ];
    for (url, remedy) in cases {
        for error in [connect(url).err().unwrap(), listen(url).err().unwrap()] {
            assert_eq!((error.code(), error.fate()), (Code::InvalidConfig, Fate::NotSent), "{url}: {error}");
            let said = error.to_string();
            assert!(said.contains(url) && said.contains(remedy), "{url}: `{remedy}` is missing in: {said}");
        }
    }
}

#[test]
fn one_sided_wires_refuse_the_other_side() {
    assert!(connect("stdio:").err().unwrap().to_string().contains("exec:"));
    assert!(listen("exec:./x").err().unwrap().to_string().contains("stdio:"));
    assert!(connect("tcp://127.0.0.1:0").err().unwrap().to_string().contains("port 0"));
}

#[test]
fn only_lookups_and_programs_may_block() {
    let blocks = |text: &str| may_block(&Url::parse(text).unwrap());
    assert!(blocks("tcp://example.org:1") && blocks("exec:./x"));
    let quick = ["tcp://127.0.0.1:1", "tcp://[::1]:1", "tcp://localhost:1", "unix:/x", "mem:x", "nowhere:x"];
    assert!(!quick.into_iter().any(blocks));
}

struct Foreign(&'static str);

impl Scheme for Foreign {
    fn name(&self) -> &'static str {
        self.0
    }

    fn connect(&self, url: &Url, query: &mut Query) -> Result<Box<dyn Link>, Error> {
        let name = query.take_text("name")?.unwrap_or_default();
        let inner = Url::parse(&format!("mem:{name}"))?;
        farcall_transports::links::connect(&inner, &mut inner.query()).map_err(|error| error.context(url))
    }

    fn listen(&self, url: &Url, _: &mut Query) -> Result<Box<dyn Listener>, Error> {
        listen(&format!("mem:{}", url.name()?))
    }
}

#[test]
fn a_wire_from_outside_is_found_once_registered() {
    register(Arc::new(Foreign("foreign"))).unwrap();
    let _listener = listen("foreign:inner").unwrap();
    connect("foreign:?name=inner").unwrap();
    let error = connect("foreign:?name=inner&x=1").err().unwrap();
    assert!(error.to_string().contains("unknown option `x`; known here: name"), "{error}");
    for taken in ["foreign", "unix", "Upper", "9", ""] {
        assert_eq!(register(Arc::new(Foreign(taken))).unwrap_err().code(), Code::InvalidConfig);
    }
}
