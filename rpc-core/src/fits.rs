//! Whether a wire can carry a service: what the methods need, beside what the wire says it has.

use crate::driver::Driver;
use crate::error::{Code, Error, Fate};
use crate::limits::{MAX_FRAME, MAX_HEAD};
use crate::service::ServiceDescriptor;
use crate::shape::Shapes;
use crate::transport::Capabilities;

/// Whether the wire of a connection carries a service that is called over it.
///
/// # Errors
/// `Unsupported`, `NotSent`: names the first method that needs more, and the wire.
pub(crate) fn client(service: &ServiceDescriptor, shapes: &Shapes, driver: &Driver) -> Result<(), Error> {
    fits(service, shapes, driver.capabilities(), driver.url())
}

/// Whether a wire carries a service that is served over it.
///
/// # Errors
/// `Unsupported`, `NotSent`: names the first method that needs more, and the wire.
pub fn fits(
    service: &ServiceDescriptor,
    shapes: &Shapes,
    capabilities: Capabilities,
    url: &str,
) -> Result<(), Error> {
    let scheme = scheme(url);
    for (at, method) in service.methods().iter().enumerate() {
        if let Some(lack) = lack(shapes, at, capabilities) {
            let text = format!(
                "{url}: {}.{} needs {lack}, which {scheme}: does not have; use another wire for it, such as unix:",
                service.name(),
                method.name()
            );
            return Err(Error::new(Code::Unsupported, Fate::NotSent, text));
        }
    }
    Ok(())
}

/// Whether a wire carries calls back of a service that is offered to whoever is called.
///
/// # Errors
/// `Unsupported`, `NotSent`: names service and wire.
pub fn offer(service: &ServiceDescriptor, capabilities: Capabilities, url: &str) -> Result<(), Error> {
    if capabilities.calls_back {
        return Ok(());
    }
    Err(no_way_back(url, &format!("{} is offered to be called back", service.name())))
}

/// The same for a service that is to be called back where a call has come from.
///
/// # Errors
/// `Unsupported`, `NotSent`: names service and wire.
pub(crate) fn call_back(service: &ServiceDescriptor, driver: &Driver) -> Result<(), Error> {
    if driver.capabilities().calls_back {
        return Ok(());
    }
    Err(no_way_back(driver.url(), &format!("{} is to be called back", service.name())))
}

fn no_way_back(url: &str, what: &str) -> Error {
    let scheme = scheme(url);
    let text = format!(
        "{url}: {what}, and {scheme}: carries calls one way only; use another wire for it, such as unix:"
    );
    Error::new(Code::Unsupported, Fate::NotSent, text)
}

fn scheme(url: &str) -> &str {
    url.split_once(':').map_or(url, |(scheme, _)| scheme)
}

/// What the wire lacks for a method.
fn lack(shapes: &Shapes, method: usize, has: Capabilities) -> Option<String> {
    // Every method has a verdict.
    if !has.reply_path {
        return Some("a way back for its result".to_owned());
    }
    if has.max_frame >= MAX_FRAME {
        return None;
    }
    let room = has.max_frame.saturating_sub(MAX_HEAD);
    let is_small = |most: Option<usize>| most.is_some_and(|most| most <= room);
    let large = match (is_small(shapes.most_sent(method)), is_small(shapes.most_returned(method))) {
        (true, true) => return None,
        (false, _) => "arguments",
        (true, false) => "results",
    };
    Some(format!("frames for {large} that may take more than {room} bytes"))
}
