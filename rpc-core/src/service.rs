//! What generated code says of a service: its name and its methods.

/// A service as both sides know it.
#[derive(Debug)]
pub struct ServiceDescriptor {
    name: &'static str,
    methods: &'static [MethodDescriptor],
}

/// A method as both sides know it.
#[derive(Debug)]
pub struct MethodDescriptor {
    name: &'static str,
    idempotent: bool,
}

impl ServiceDescriptor {
    /// A service with these methods; a method's number is its place.
    pub const fn new(name: &'static str, methods: &'static [MethodDescriptor]) -> Self {
        ServiceDescriptor { name, methods }
    }

    /// The name under which it is opened.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// The methods.
    pub fn methods(&self) -> &'static [MethodDescriptor] {
        self.methods
    }

    /// A method's name, for people.
    pub(crate) fn method_name(&self, number: u16) -> &'static str {
        self.methods.get(usize::from(number)).map_or("?", |method| method.name)
    }
}

impl MethodDescriptor {
    /// A method of this name.
    pub const fn new(name: &'static str) -> Self {
        MethodDescriptor { name, idempotent: false }
    }

    /// The same method, which may run twice for one call.
    #[must_use]
    pub const fn idempotent(mut self) -> Self {
        self.idempotent = true;
        self
    }

    /// Whether it may run twice for one call.
    pub fn is_idempotent(&self) -> bool {
        self.idempotent
    }

    /// Its name.
    pub fn name(&self) -> &'static str {
        self.name
    }
}
