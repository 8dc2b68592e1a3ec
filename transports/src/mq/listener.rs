//! Listening for those who want message queues, and answering each of them at once.

use std::os::fd::AsFd;
use std::sync::Arc;

use farcall_core::transport::{Link, Listener};
use farcall_core::wire::rendezvous::{Answer, Grant, Request, Wish};
use farcall_core::{Code, Error, Fate};
use rustix::io::Errno;

use super::link::{MqLink, Parts};
use super::{MESSAGES, Terms, peer};
use crate::mark::{Mark, random};
use crate::queue::{Queue, explain, unlink};
use crate::rendezvous::{Answers, Caller, Reception, Site, say};
use crate::url::Url;

/// What is served.
struct Queues {
    terms: Terms,
    /// The name that queues have for a moment.
    mark: Mark,
    address: String,
}

/// Two queues for a connection.
struct Pair {
    depth: u8,
    message: usize,
    to_connector: Queue,
    to_listener: Queue,
}

pub(super) fn listen(url: &Url, terms: Terms) -> Result<Box<dyn Listener>, Error> {
    let queues = |Site { address, mark, .. }| Queues { terms, mark, address };
    Ok(Box::new(Reception::open(url, "", queues)?))
}

impl Answers for Queues {
    fn answer(&self, caller: Caller) -> Option<Box<dyn Link>> {
        let trust = self.terms.trust.max(caller.request.trust);
        let Caller { socket, request, who, process } = caller;
        let socket = Arc::new(socket);
        let grant = |answer, reason| Grant { answer, trust, nonce: request.nonce, reason };
        let made = self.pair(&request).and_then(|pair| {
            let mut numbers = [[0; 8]; 2];
            random(numbers.as_flattened_mut())?;
            let [from_listener, from_connector] = numbers.map(u64::from_le_bytes);
            let message = u32::try_from(pair.message).expect("a message has 64 KiB at most");
            let keys = [from_listener, from_connector];
            let answer = Answer::Queues { message, depth: pair.depth, keys };
            let link = MqLink::new(Parts {
                inward: pair.to_listener.clone(),
                outward: pair.to_connector.clone(),
                keys: (from_connector, from_listener),
                message: pair.message,
                socket: Arc::clone(&socket),
                process,
                peer: peer(who, self.address.clone()),
                trust,
            })?;
            Ok((pair, answer, link))
        });
        match made {
            Ok((pair, answer, link)) => {
                let descriptors = [pair.to_connector.fd().as_fd(), pair.to_listener.fd().as_fd()];
                say(&socket, &grant(answer, String::new()), &descriptors).ok()?;
                Some(Box::new(link))
            }
            Err(error) => {
                let _ = say(&socket, &grant(Answer::Refused(error.code()), error.to_string()), &[]);
                None
            }
        }
    }
}

impl Queues {
    fn pair(&self, request: &Request) -> Result<Pair, Error> {
        let refuse = |code, why: &str| Err(Error::new(code, Fate::NotSent, why.to_owned()));
        if request.wish != Wish::Queues {
            return refuse(Code::InvalidConfig, "only queues are served here; connect with mq:");
        }
        let (depth, message) = self.terms.meet(request);
        if message < MESSAGES.0 {
            return refuse(Code::InvalidConfig, "the client takes messages of less than 64 bytes only");
        }
        let queue = || self.queue(depth.into(), message);
        Ok(Pair { depth, message, to_connector: queue()?, to_listener: queue()? })
    }

    /// A queue that has a name for two system calls, and the lock file knows which.
    fn queue(&self, depth: usize, message: usize) -> Result<Queue, Error> {
        let made = Queue::create(self.mark.name(), depth, message).and_then(|queue| {
            unlink(self.mark.name())?;
            // Less would be agreed upon than there is.
            let found = queue.attributes()?;
            if (found.depth, found.message) == (depth, message) { Ok(queue) } else { Err(Errno::INVAL) }
        });
        made.map_err(|errno| explain(errno, depth, message))
    }
}
