//! The collected refusals of one trait, reported together.

use proc_macro2::TokenStream;
use quote::ToTokens;

#[derive(Default)]
pub(crate) struct Refusals(Option<syn::Error>);

impl Refusals {
    /// Refuses `tokens`; `sentence` says what is allowed there.
    pub(crate) fn refuse(&mut self, tokens: impl ToTokens, sentence: &str) {
        self.add(syn::Error::new_spanned(tokens, sentence));
    }

    pub(crate) fn add(&mut self, error: syn::Error) {
        match &mut self.0 {
            Some(all) => all.combine(error),
            None => self.0 = Some(error),
        }
    }

    pub(crate) fn into_compile_errors(self) -> TokenStream {
        self.0.map(syn::Error::into_compile_error).unwrap_or_default()
    }
}
