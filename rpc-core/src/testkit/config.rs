//! How a machine is set up where a test does not care.

use crate::proto::{Config, Role, WhenFull};

/// For small messages, and few of them.
pub fn config(role: Role) -> Config {
    Config {
        role,
        attended_always: true,
        max_message: 1024,
        window: 4,
        when_full: WhenFull::Wait,
        codec: "bincode".into(),
        needs_ping: false,
    }
}
