//! From a request's numbers to a service's method.

use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use crate::codec::Codec;
use crate::context::Serving;
use crate::driver::{Dispatch, Driver, InPlace};
use crate::error::{Code, Error, Fate};
use crate::limits::MAX_SERVER_CALLS;
use crate::server::Service;
use crate::server::load::Load;
use crate::server::request::{Body, Request};
use crate::server::routes::{Entry, Route, Routes, entry};
use crate::server::run::Run;
use crate::session::Outcome;
use crate::wire::{Open, Opened, ShapeThere};

/// Serves the requests of one connection.
pub struct Router {
    services: Arc<[Arc<dyn Service>]>,
    load: Load,
    budget: Option<usize>,
    codec: OnceLock<Codec>,
    routes: Routes,
}

impl fmt::Debug for Router {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Router").finish_non_exhaustive()
    }
}

impl Router {
    /// A router over these services. `budget`: what decoding one message may allocate, in bytes.
    ///
    /// Traces the shapes of what was never served before in this process.
    pub fn new(services: Arc<[Arc<dyn Service>]>, load: Load, budget: Option<usize>) -> Self {
        // Not when a service is opened, which is within a turn: the user's code runs.
        for service in services.iter() {
            service.__shapes();
        }
        Router { services, load, budget, codec: OnceLock::new(), routes: Routes::default() }
    }

    fn opened(&self, object: u32, open: Open) -> Opened {
        let service = self.services.iter().find(|service| service.descriptor().name() == open.service);
        let methods: Vec<_> = open.methods.into_iter().map(|row| entry(service, row)).collect();
        let answers = methods.iter().map(Entry::answer).collect();
        let shapes = methods.iter().filter_map(|entry| entry.shape(service)).collect();
        let missing: Vec<_> = methods.iter().filter_map(Entry::unknown).collect();
        let known = service.is_some();
        let text = match service {
            None => self.unknown_service(&open.service).to_string(),
            Some(_) if missing.is_empty() => String::new(),
            Some(service) => unknown_method(&**service, &missing.join(" or ")).to_string(),
        };
        self.routes.put(object, Route { service: service.cloned(), name: open.service, methods });
        Opened { known, answers, text, shapes }
    }

    fn unknown_service(&self, name: &str) -> Error {
        let served: Vec<_> = self.services.iter().map(|service| service.descriptor().name()).collect();
        let text = match served.as_slice() {
            [] => format!("the peer serves nothing, so no service {name}"),
            served => format!("the peer serves no service {name}; it serves {}", served.join(", ")),
        };
        Error::new(Code::UnknownService, Fate::NotExecuted, text)
    }

    fn find(&self, object: u32, method: u16) -> Result<(&dyn Service, u16), Error> {
        let Some(route) = self.routes.find(object) else {
            return Err(Error::new(Code::UnknownService, Fate::NotExecuted, "the service was not opened"));
        };
        let Some(service) = &route.service else { return Err(self.unknown_service(&route.name)) };
        match route.methods.get(usize::from(method)) {
            Some(Entry::Served(number)) => Ok((&**service, *number)),
            Some(Entry::Unknown(name)) => Err(unknown_method(&**service, name)),
            Some(entry @ Entry::Differs(_)) => {
                let text = "the caller's arguments or results have another shape";
                let shape = ShapeThere(entry.shape(Some(service)).unwrap_or_default());
                Err(Error::new(Code::SchemaMismatch, Fate::NotExecuted, text).with_source(shape))
            }
            None => Err(unknown_method(&**service, &format!("number {method}"))),
        }
    }

    /// The codec, which is settled by the time of the first request.
    fn codec(&self, driver: &Driver) -> Result<Codec, Error> {
        if let Some(codec) = self.codec.get() {
            return Ok(*codec);
        }
        let name = driver.session().codec();
        match Codec::from_name(&name) {
            Some(codec) => Ok(*self.codec.get_or_init(|| codec)),
            None => {
                let text = format!("this side does not know the codec {name}");
                Err(Error::new(Code::Unsupported, Fate::NotExecuted, text))
            }
        }
    }
}

fn unknown_method(service: &dyn Service, name: &str) -> Error {
    let descriptor = service.descriptor();
    let known: Vec<_> = descriptor.methods().iter().map(crate::service::MethodDescriptor::name).collect();
    let text = format!("the service {} has no method {name}; it has {}", descriptor.name(), known.join(", "));
    Error::new(Code::UnknownMethod, Fate::NotExecuted, text)
}

impl Dispatch for Router {
    fn open(&self, object: u32, open: Open) -> Opened {
        self.opened(object, open)
    }

    fn serves(&self) -> bool {
        !self.services.is_empty()
    }

    fn dispatch(&self, driver: &Arc<Driver>, request: crate::session::Request, place: &mut InPlace) {
        let crate::session::Request { key, object, method, deadline, body, .. } = request;
        let refuse = |place: &mut InPlace, error: Error| {
            place.ended = Some((key, Outcome::Refused(error)));
        };
        let (service, method) = match self.find(object, method) {
            Ok(found) => found,
            Err(error) => return refuse(place, error),
        };
        let codec = match self.codec(driver) {
            Ok(codec) => codec,
            Err(error) => return refuse(place, error),
        };
        if self.load.is_full() {
            let text = format!("the server has {MAX_SERVER_CALLS} calls in flight");
            return refuse(place, Error::new(Code::Overloaded, Fate::NotExecuted, text));
        }
        let handle = place.driver.take().unwrap_or_else(|| Arc::clone(driver));
        let run = Run::new(Serving { driver: handle, key, deadline });
        let body = Body::new(codec, body, self.budget);
        service.dispatch(Request { load: &self.load, run, method, body, place });
    }

    fn note_hold(&self, driver: &Driver, object: u32, method: u16, held: Duration) {
        let Ok((service, method)) = self.find(object, method) else { return };
        let descriptor = service.descriptor();
        let name = descriptor.method_name(method);
        driver.host().report(&format!(
            "the handler {}.{name} held its connection's driver for {held:?}; mark it #[blocking]",
            descriptor.name()
        ));
    }
}
