//! Two programs that do not mean the same by a service, and wires that cannot carry one.

mod lacking;
mod mismatch;
