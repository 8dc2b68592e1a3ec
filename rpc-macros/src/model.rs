//! What the macro knows about a service: its methods, their arguments and results.

use proc_macro2::Span;
use quote::format_ident;
use syn::ext::IdentExt;
use syn::spanned::Spanned;
use syn::{
    Attribute, FnArg, GenericArgument, Ident, ItemTrait, Pat, Path, PathArguments, PathSegment, ReturnType,
    Signature, TraitItem, TraitItemFn, Type, parse_quote,
};

use crate::args::{MethodArgs, ServiceArgs};
use crate::attributes::Attributes;
use crate::refusals::Refusals;

/// A trait that is to be served.
pub(crate) struct Service {
    /// The trait as written, without its items.
    pub(crate) item: ItemTrait,
    pub(crate) krate: Path,
    pub(crate) name: String,
    pub(crate) transparent: bool,
    pub(crate) attributes: Attributes,
    pub(crate) members: Vec<Member>,
    /// Something about the trait as a whole is refused: there is no client and no server.
    pub(crate) refused: bool,
}

/// An item of the trait, in the order of the source.
pub(crate) enum Member {
    Method(Box<Method>),
    Other(Box<TraitItem>),
}

/// A method of the trait.
pub(crate) struct Method {
    /// As written, without the attributes that are ours.
    pub(crate) item: TraitItemFn,
    /// Where it stands in the trait, not counting what `#[cfg]` removes.
    pub(crate) variant: Ident,
    pub(crate) name: String,
    pub(crate) kind: Kind,
    pub(crate) attributes: Attributes,
    pub(crate) unsupported: Vec<Attribute>,
    /// It may run twice for one call.
    pub(crate) idempotent: Option<Attribute>,
    pub(crate) blocking: Option<Attribute>,
    pub(crate) arguments: Vec<Argument>,
    pub(crate) outcome: Outcome,
    pub(crate) refusal: Option<Refusal>,
}

/// How a handler runs.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Async,
    Inline,
    Blocking,
}

/// Why a method is missing in the client and the server.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// It stays in the trait, so that implementations still fit.
    Unservable,
    /// A method of this name stands already in the trait.
    Duplicate,
}

/// An argument of a method.
pub(crate) struct Argument {
    pub(crate) name: Ident,
    pub(crate) ty: Type,
    pub(crate) passing: Passing,
}

/// How an argument is decoded and handed to the handler.
pub(crate) enum Passing {
    /// Decoded and given away.
    Owned,
    /// `&str`.
    Str,
    /// `&[u8]`.
    Bytes,
    /// `Option<&str>`.
    OptionStr,
    /// `Option<&[u8]>`.
    OptionBytes,
    /// `&[T]` of this element: decoded as a `Vec`, given by reference.
    Slice(Type),
    /// `&T`: decoded as a `T`, given by reference.
    Reference(Type),
}

/// What a method returns.
pub(crate) enum Outcome {
    /// A plain value of this type.
    Value(Type),
    /// A `Result`, possibly under another name.
    Result(Type),
}

impl Service {
    pub(crate) fn new(args: ServiceArgs, mut item: ItemTrait, refusals: &mut Refusals) -> Self {
        let items = std::mem::take(&mut item.items);
        let members = items.into_iter().enumerate().map(|(index, item)| match item {
            TraitItem::Fn(item) => Member::Method(Box::new(Method::new(item, index, refusals))),
            other => Member::Other(Box::new(other)),
        });
        Self {
            members: members.collect(),
            krate: args.krate.unwrap_or_else(|| parse_quote!(::farcall)),
            name: args.name.map_or_else(|| item.ident.unraw().to_string(), |name| name.value()),
            transparent: args.transparent,
            attributes: Attributes::new(&item.attrs),
            refused: false,
            item,
        }
    }

    /// The methods that are served.
    pub(crate) fn methods(&self) -> impl Iterator<Item = &Method> {
        self.members.iter().filter_map(|member| match member {
            Member::Method(method) if method.refusal.is_none() => Some(&**method),
            _ => None,
        })
    }

    pub(crate) fn client(&self) -> Ident {
        self.generated("Client")
    }

    pub(crate) fn server(&self) -> Ident {
        self.generated("Server")
    }

    /// An item's name: found beside the trait, but not the user's own code in the eyes of lints.
    fn generated(&self, suffix: &str) -> Ident {
        let span = Span::mixed_site().located_at(self.item.ident.span());
        Ident::new(&format!("{}{suffix}", self.item.ident.unraw()), span)
    }
}

impl Method {
    fn new(mut item: TraitItemFn, index: usize, refusals: &mut Refusals) -> Self {
        let mut args = MethodArgs::default();
        let (mut blocking, mut idempotent) = (None, None);
        let mut unsupported = Vec::new();
        for attribute in std::mem::take(&mut item.attrs) {
            let path = attribute.path();
            if path.is_ident("method") {
                args.add(&attribute).unwrap_or_else(|error| refusals.add(error));
            } else if path.is_ident("blocking") {
                blocking = Some(attribute);
            } else if path.is_ident("idempotent") {
                idempotent = Some(attribute);
            } else if path.is_ident("oneway") {
                unsupported.push(attribute);
            } else {
                item.attrs.push(attribute);
            }
        }
        Self {
            variant: format_ident!("M{index}", span = Span::mixed_site()),
            name: args.name.map_or_else(|| item.sig.ident.unraw().to_string(), |name| name.value()),
            kind: match (&item.sig.asyncness, &blocking) {
                (Some(_), _) => Kind::Async,
                (None, Some(_)) => Kind::Blocking,
                (None, None) => Kind::Inline,
            },
            attributes: Attributes::new(&item.attrs),
            unsupported,
            blocking,
            idempotent,
            arguments: arguments(&item.sig),
            outcome: Outcome::new(&item.sig.output, args.result.is_some()),
            refusal: None,
            item,
        }
    }

    /// The stub's name: the user's, but not the user's own code in the eyes of lints.
    pub(crate) fn stub(&self) -> Ident {
        let mut ident = self.item.sig.ident.clone();
        ident.set_span(Span::mixed_site().located_at(ident.span()));
        ident
    }
}

impl Outcome {
    fn new(output: &ReturnType, forced: bool) -> Self {
        let ty = match output {
            ReturnType::Default => parse_quote!(()),
            ReturnType::Type(_, ty) => (**ty).clone(),
        };
        let is_result = last_segment(&ty).is_some_and(|segment| segment.ident == "Result");
        if forced || is_result { Outcome::Result(ty) } else { Outcome::Value(ty) }
    }

    pub(crate) fn ty(&self) -> &Type {
        match self {
            Outcome::Value(ty) | Outcome::Result(ty) => ty,
        }
    }

    /// The type of the value, or that of the error, where it is written as an argument of the type.
    pub(crate) fn written_part(&self, index: usize) -> Option<&Type> {
        match &last_segment(self.ty())?.arguments {
            PathArguments::AngleBracketed(arguments) => match arguments.args.iter().nth(index)? {
                GenericArgument::Type(ty) => Some(ty),
                _ => None,
            },
            _ => None,
        }
    }

    pub(crate) fn error_span(&self) -> Span {
        self.written_part(1).unwrap_or(self.ty()).span()
    }
}

impl Passing {
    fn of(ty: &Type) -> Self {
        if let Some(inner) = shared_reference(ty) {
            return match ungrouped(inner) {
                inner if is_named(inner, "str") => Passing::Str,
                Type::Slice(slice) if is_named(&slice.elem, "u8") => Passing::Bytes,
                Type::Slice(slice) => Passing::Slice((*slice.elem).clone()),
                inner => Passing::Reference(inner.clone()),
            };
        }
        match option_of(ty).and_then(shared_reference).map(ungrouped) {
            Some(inner) if is_named(inner, "str") => Passing::OptionStr,
            Some(Type::Slice(slice)) if is_named(&slice.elem, "u8") => Passing::OptionBytes,
            _ => Passing::Owned,
        }
    }
}

/// The type inside parentheses and the invisible groups of `macro_rules`.
pub(crate) fn ungrouped(ty: &Type) -> &Type {
    match ty {
        Type::Group(group) => ungrouped(&group.elem),
        Type::Paren(paren) => ungrouped(&paren.elem),
        ty => ty,
    }
}

pub(crate) fn last_segment(ty: &Type) -> Option<&PathSegment> {
    match ungrouped(ty) {
        Type::Path(path) => path.path.segments.last(),
        _ => None,
    }
}

fn arguments(signature: &Signature) -> Vec<Argument> {
    let typed = signature.inputs.iter().filter_map(|input| match input {
        FnArg::Typed(typed) => Some(typed),
        FnArg::Receiver(_) => None,
    });
    let named = typed.enumerate().map(|(index, typed)| Argument {
        name: match &*typed.pat {
            Pat::Ident(pat) => pat.ident.clone(),
            _ => format_ident!("argument{index}"),
        },
        ty: (*typed.ty).clone(),
        passing: Passing::of(&typed.ty),
    });
    named.collect()
}

/// The `T` of a `&T` whose lifetime is not spelt out.
fn shared_reference(ty: &Type) -> Option<&Type> {
    match ungrouped(ty) {
        Type::Reference(reference) if reference.mutability.is_none() => {
            let elided = reference.lifetime.as_ref().is_none_or(|lifetime| lifetime.ident == "_");
            elided.then_some(&reference.elem)
        }
        _ => None,
    }
}

fn option_of(ty: &Type) -> Option<&Type> {
    let segment = last_segment(ty).filter(|segment| segment.ident == "Option")?;
    match &segment.arguments {
        PathArguments::AngleBracketed(arguments) if arguments.args.len() == 1 => match &arguments.args[0] {
            GenericArgument::Type(ty) => Some(ty),
            _ => None,
        },
        _ => None,
    }
}

fn is_named(ty: &Type, name: &str) -> bool {
    matches!(ungrouped(ty), Type::Path(path) if path.qself.is_none() && path.path.is_ident(name))
}
