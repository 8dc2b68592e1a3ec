//! The connections of a reactor on which something has come just now: they are looked at again before it sleeps.

use std::sync::Arc;

use farcall_core::driver::{Attendance, Moment, Patience};

use super::Loop;

/// So often the processor is given away, or something is found, between two looks at everything else.
const ROUNDS: u32 = 16;

/// So many rows of looks in vain count as one round: who never sleeps looks at everything else now and then nevertheless.
const LOOKS: u32 = 4;

#[derive(Default)]
pub(super) struct Lively {
    /// Their places; few at any time.
    places: Vec<usize>,
    /// What is left of it; there is some while there are places.
    patience: Option<Patience>,
}

impl Lively {
    pub(super) fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    /// Something has come on this connection; `false`: it sleeps nevertheless.
    pub(super) fn note(&mut self, at: usize, attendance: &Attendance) -> bool {
        let alone = self.places.iter().all(|place| *place == at);
        let Some(patience) = attendance.patience(alone) else {
            self.forget(at);
            return false;
        };
        if !self.places.contains(&at) {
            self.places.push(at);
        }
        self.patience = Some(patience);
        true
    }

    pub(super) fn forget(&mut self, at: usize) {
        self.places.retain(|place| *place != at);
    }
}

impl Loop {
    /// Looks at the lively connections again and again, until it is time to look at everything else or to sleep.
    pub(super) fn look_again(&mut self) {
        let Some(first) = self.lively.places.first().and_then(|at| self.connections.get(*at)) else { return };
        let driver = Arc::clone(first.attendance.driver());
        let host = Arc::clone(driver.host());
        let Some(mut patience) = self.lively.patience.take() else { return };
        let (mut rounds, mut looks) = (0, 0_u32);
        while rounds < ROUNDS && !self.shared.has_news() && !self.lively.is_empty() {
            match self.look_about(&mut patience) {
                None => {
                    rounds += 1;
                    if self.lively.places.len() == 1 {
                        driver.give_way_at_once(&patience);
                    }
                }
                Some(Moment::Passed) => {
                    looks += 1;
                    rounds += u32::from(looks.is_multiple_of(LOOKS));
                }
                Some(Moment::GiveWay) => {
                    host.give_way();
                    rounds += 1;
                }
                Some(Moment::Over) => {
                    while let Some(at) = self.lively.places.pop() {
                        self.stand(at);
                    }
                }
            }
        }
        patience.rest(&*host);
        self.lively.patience.get_or_insert(patience);
    }

    /// Looks at each. `None`: something had come on one of them; otherwise what is next. Those that may not wait any more
    /// stand.
    fn look_about(&mut self, patience: &mut Patience) -> Option<Moment> {
        let (mut found, mut moment) = (false, Moment::Passed);
        let mut next = 0;
        while let Some(at) = self.lively.places.get(next).copied() {
            next += 1;
            let Some(connection) = self.connections.get(at) else { continue };
            match connection.attendance.look_about(patience, self.lively.places.len() == 1) {
                Some(Moment::Passed) => {}
                Some(other) => moment = other,
                None => {
                    found = true;
                    if !connection.attendance.is_lively() {
                        self.lively.forget(at);
                        self.stand(at);
                    }
                }
            }
        }
        if found { None } else { Some(moment) }
    }
}
