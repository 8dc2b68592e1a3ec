//! The faces: `connect`, `serve`, `Server` and their handles, as users meet them.

mod addresses;
mod advice;
mod alone;
mod desk;
mod endings;
mod names;
mod options;
mod refusals;
mod remains;
mod waiting;
