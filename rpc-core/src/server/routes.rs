//! The services as the peer has opened them: found without a lock, since one is looked for at every call.

use std::sync::{Arc, OnceLock};

use crate::limits::MAX_ERROR_TEXT;
use crate::server::Service;
use crate::wire::{Answer, MethodRow};

/// A service as the peer has opened it.
pub(super) struct Route {
    pub(super) service: Option<Arc<dyn Service>>,
    pub(super) name: String,
    /// By the peer's method numbers.
    pub(super) methods: Vec<Entry>,
}

/// What a method of the peer's table is here.
pub(super) enum Entry {
    /// The method of this number.
    Served(u16),
    /// Nothing: there is no method of this name.
    Unknown(String),
    /// The method of this number, whose shape is another.
    Differs(u16),
}

impl Entry {
    pub(super) fn answer(&self) -> Answer {
        match self {
            Entry::Served(_) => Answer::Served,
            Entry::Unknown(_) => Answer::Unknown,
            Entry::Differs(_) => Answer::Differs,
        }
    }

    /// The name that no method has.
    pub(super) fn unknown(&self) -> Option<&str> {
        match self {
            Entry::Unknown(name) => Some(name),
            Entry::Served(_) | Entry::Differs(_) => None,
        }
    }

    /// What the peer is told of a shape that differs from its own.
    pub(super) fn shape(&self, service: Option<&Arc<dyn Service>>) -> Option<String> {
        match (self, service) {
            (Entry::Differs(number), Some(service)) => {
                Some(service.__shapes().text(usize::from(*number), MAX_ERROR_TEXT))
            }
            _ => None,
        }
    }
}

/// What a row of the peer's table is at this service. A shape that one of the two sides does not give fits every other.
pub(super) fn entry(service: Option<&Arc<dyn Service>>, row: MethodRow) -> Entry {
    let found = service.and_then(|service| {
        let at = service.descriptor().methods().iter().position(|method| method.name() == row.name)?;
        Some((u16::try_from(at).ok()?, service.__shapes().fingerprint(at)))
    });
    match found {
        None => Entry::Unknown(row.name),
        Some((number, here)) if here == row.fingerprint || here == 0 || row.fingerprint == 0 => {
            Entry::Served(number)
        }
        Some((number, _)) => Entry::Differs(number),
    }
}

/// Shelves of 4, 8, 16 … places, so that what was put there never moves; room for `limits::MAX_OBJECTS`.
const SHELVES: usize = 9;

/// Places of the first shelf.
const FIRST: usize = 4;

/// Routes by the peer's numbers, which count from 1.
#[derive(Default)]
pub(super) struct Routes([OnceLock<Box<[OnceLock<Route>]>>; SHELVES]);

impl Routes {
    /// Puts the route of this number.
    pub(super) fn put(&self, object: u32, route: Route) {
        let Some((shelf, at)) = place(object) else { return };
        if let Some(shelf) = self.0.get(shelf).map(|places| {
            places.get_or_init(|| std::iter::repeat_with(OnceLock::new).take(FIRST << shelf).collect())
        }) && let Some(free) = shelf.get(at)
        {
            // The protocol lets no number come twice.
            let _ = free.set(route);
        }
    }

    /// The route of this number.
    pub(super) fn find(&self, object: u32) -> Option<&Route> {
        let (shelf, at) = place(object)?;
        self.0.get(shelf)?.get()?.get(at)?.get()
    }
}

/// Shelf and place of a number.
fn place(object: u32) -> Option<(usize, usize)> {
    let at = (object as usize).checked_sub(1)? + FIRST;
    let shelf = (at.ilog2() - FIRST.ilog2()) as usize;
    Some((shelf, at - (FIRST << shelf)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::MAX_OBJECTS;

    #[test]
    fn every_number_that_the_protocol_allows_has_a_place_of_its_own() {
        let routes = Routes::default();
        let last = u32::try_from(MAX_OBJECTS).unwrap();
        for object in 1..=last {
            routes.put(object, Route { service: None, name: object.to_string(), methods: Vec::new() });
        }
        for object in 1..=last {
            assert_eq!(routes.find(object).unwrap().name, object.to_string());
        }
        assert!(routes.find(0).is_none() && routes.find(last + 1_000).is_none());
    }
}
