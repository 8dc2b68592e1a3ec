//! A program that starts its own helper and calls it over the helper's standard input and output.
//!
//! The parent connects to `exec:PROGRAM?arg=…`, the child serves `stdio:`. What the child prints by mistake goes to standard
//! error; when the last handle of the connection is dropped, the child ends; when the child dies, calls say so.

use farcall::{Client, Code};

/// What the helper does.
#[farcall::service]
pub trait Helper {
    /// Writes a text backwards.
    fn reverse(&self, text: &str) -> String;
    /// The number of the process that calls, as far as the kernel knows.
    fn caller(&self) -> Option<u32>;
    /// Dies in the middle of the call.
    fn crash(&self);
}

struct Child;

impl Helper for Child {
    fn reverse(&self, text: &str) -> String {
        println!("the child prints: this is no reply, and nobody takes it for one");
        text.chars().rev().collect()
    }

    fn caller(&self) -> Option<u32> {
        farcall::context().peer().pid
    }

    fn crash(&self) {
        std::process::abort();
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    if std::env::args().nth(1).as_deref() == Some("child") {
        return Ok(farcall::serve("stdio:", HelperServer::new(Child)).wait()?.join().wait()?);
    }
    let program = std::env::current_exe().map_err(|error| {
        farcall::Error::config("this program does not know where it lies").with_source(error)
    })?;
    // A path with other bytes than these needs percent signs: `exec:./my%20helper`.
    let url = format!("exec:{}?arg=child", program.display());
    let helper: HelperClient = farcall::connect(url).wait()?;
    let reversed = helper.reverse("farcall").wait()?;
    println!("reversed by the child: {reversed}");

    let child = helper.connection().peer().pid;
    let is_another = child.is_some() && child != Some(std::process::id());
    let knows = helper.caller().wait()? == Some(std::process::id());
    println!("the child is another process: {is_another}");
    println!("the child knows its caller: {knows}");

    match helper.crash().wait() {
        Err(error) if matches!(error.code(), Code::PeerGone(_)) => {
            println!("the child died during the call, whose fate is {:?}", error.fate());
        }
        other => return Err(format!("the child should have died: {other:?}").into()),
    }
    if reversed == "llacraf" && is_another && knows { Ok(()) } else { Err("an answer is wrong".into()) }
}
