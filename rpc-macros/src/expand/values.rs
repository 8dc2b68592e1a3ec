//! The expressions that encode, decode and hand over one value.

use proc_macro2::{Ident, TokenStream};
use quote::{ToTokens, quote};
use syn::Type;

use crate::model::{Argument, Passing, Service};

/// The traits through which [`encoded`] selects how a value is encoded.
pub(super) fn encoding_traits(service: &Service) -> TokenStream {
    let krate = &service.krate;
    quote!(use #krate::__private::{AsBulk as _, AsPlain as _};)
}

/// The traits through which [`seed_of`] selects how a value is decoded.
pub(super) fn seed_traits(service: &Service) -> TokenStream {
    let krate = &service.krate;
    quote!(use #krate::__private::{SeedBulk as _, SeedPlain as _};)
}

/// The encoding of what `reference` refers to.
pub(super) fn encoded(service: &Service, reference: &TokenStream) -> TokenStream {
    let krate = &service.krate;
    quote!((&&#krate::__private::Arg(#reference)).encoding())
}

/// The traits through which [`given`] selects how a value is encoded.
pub(super) fn giving_traits(service: &Service) -> TokenStream {
    let krate = &service.krate;
    quote!(use #krate::__private::{GiveBulk as _, GivePlain as _};)
}

/// The encoding of the value of that variable, which is moved.
pub(super) fn given(service: &Service, variable: &TokenStream) -> TokenStream {
    let krate = &service.krate;
    quote!((&&#krate::__private::Tag::of(&#variable)).given(#variable))
}

/// The encoding of an argument of a stub.
pub(super) fn encoded_argument(service: &Service, argument: &Argument) -> TokenStream {
    let name = &argument.name;
    let reference = match argument.passing {
        Passing::Owned | Passing::OptionStr | Passing::OptionBytes => quote!(&#name),
        Passing::Str | Passing::Bytes | Passing::Slice(_) | Passing::Reference(_) => quote!(#name),
    };
    encoded(service, &reference)
}

/// What decodes a value of type `ty`.
pub(super) fn seed_of(service: &Service, ty: &impl ToTokens) -> TokenStream {
    let krate = &service.krate;
    quote!((&&#krate::__private::Tag::<#ty>::new()).seed())
}

/// What decodes the two sides of a `Result` of type `ty`.
pub(super) fn result_seeds(service: &Service, ty: &Type) -> (TokenStream, TokenStream) {
    let krate = &service.krate;
    let part = |part: TokenStream| seed_of(service, &quote!(<#ty as #krate::__private::ResultParts>::#part));
    (part(quote!(Ok)), part(quote!(Err)))
}

/// What decodes an argument.
pub(super) fn argument_seed(service: &Service, argument: &Argument) -> TokenStream {
    let krate = &service.krate;
    let private = quote!(#krate::__private);
    match &argument.passing {
        Passing::Owned => seed_of(service, &argument.ty),
        Passing::Reference(ty) => seed_of(service, ty),
        Passing::Slice(element) => seed_of(service, &quote!(::std::vec::Vec<#element>)),
        Passing::Str => quote!(#private::StrSeed),
        Passing::Bytes => quote!(#private::BytesSeed),
        Passing::OptionStr => quote!(#private::OptionSeed(#private::StrSeed)),
        Passing::OptionBytes => quote!(#private::OptionSeed(#private::BytesSeed)),
    }
}

/// The decoded argument in `variable`, as the handler takes it.
pub(super) fn handed_over(argument: &Argument, variable: &Ident) -> TokenStream {
    match argument.passing {
        Passing::Owned => quote!(#variable),
        Passing::OptionStr | Passing::OptionBytes => quote!(::core::option::Option::as_deref(&#variable)),
        Passing::Str | Passing::Bytes | Passing::Slice(_) | Passing::Reference(_) => quote!(&#variable),
    }
}
