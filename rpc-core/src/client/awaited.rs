//! A call as a future.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use crate::client::Call;
use crate::client::course::State;
use crate::driver::Looked;
use crate::error::Error;
use crate::session::Departure;

impl<T, E: From<Error>> Future for Call<T, E> {
    type Output = Result<T, E>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        let is_new = matches!(this.course.state, State::Encoded(_));
        if is_new {
            this.choose();
        }
        let looks = is_new && !this.driver().session().has_outstanding() && this.driver().may_look();
        // Who looks itself needs no waker until others are to look for it.
        let waker = (!looks).then(|| cx.waker());
        let started = this.start(waker, Departure::AtOnceIfAlone, looks);
        let State::Started(token) = this.course.state else { return Poll::Ready(this.refused()) };
        let mut sooner = false;
        if let Some(started) = started {
            let driver = this.core.driver();
            this.patience = started.alone.then(|| driver.patience(true)).flatten();
            let looks = this.patience.is_some() && looks;
            if looks {
                driver.flush_awake(started.at);
            } else if started.alone || (started.many && driver.is_side_by_side()) {
                driver.flush_at(started.at);
            } else {
                driver.flush_soon();
            }
            // Who looks itself sees its deadline pass.
            sooner = started.sooner;
            if sooner && !looks {
                driver.rearm();
            }
            if let (Some(patience), false) = (&mut this.patience, looks) {
                driver.look_soon(patience, cx.waker());
                return Poll::Pending;
            }
        }
        // A call that was started just now and does not look has its waker in place.
        if looks || started.is_none() || this.patience.is_some() {
            let driver = this.core.driver();
            match driver.look_for(token, cx.waker(), &mut this.patience) {
                Looked::Settled(settled) => {
                    this.course.state = State::Done;
                    if this.ends_again(&settled) {
                        return self.poll(cx);
                    }
                    return Poll::Ready(this.finish(settled));
                }
                Looked::Soon | Looked::Later if looks && sooner => this.driver().rearm(),
                Looked::Soon | Looked::Later => {}
            }
            if this.patience.is_some() {
                return Poll::Pending;
            }
        }
        let driver = this.driver();
        match driver.host().attend(driver) {
            Ok(()) => Poll::Pending,
            Err(error) => Poll::Ready(Err(this.explain(error).into())),
        }
    }
}

/// A call holds no value of these types, only the function that will make one.
impl<T, E> Unpin for Call<T, E> {}
