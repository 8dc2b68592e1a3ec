//! Facts about the codecs.
