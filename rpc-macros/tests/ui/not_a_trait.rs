//! Something that is not a trait.

#[farcall::service]
pub struct Service;

impl Service {
    pub fn sound() {}
}

fn main() {}
