//! Rejects the types that cannot travel as an argument or as a result.

use syn::visit::{self, Visit};
use syn::{Ident, Lifetime, Type, TypeImplTrait, TypeInfer, TypeParamBound, TypePath, TypeReference};

use super::Checked;
use crate::model::{Argument, Outcome, Passing, last_segment, ungrouped};

pub(super) fn check_argument(argument: &Argument, checked: &mut Checked<'_>) {
    let ty = match &argument.passing {
        Passing::Str | Passing::Bytes | Passing::OptionStr | Passing::OptionBytes => return,
        Passing::Slice(inner) | Passing::Reference(inner) => inner,
        Passing::Owned => &argument.ty,
    };
    if is_streaming(ty) {
        return checked.refuse(ty, "streams of arguments are not supported yet; pass a `Vec`");
    }
    Visitor::visit(ty, &ARGUMENT, checked);
}

pub(super) fn check_outcome(outcome: &Outcome, checked: &mut Checked<'_>) {
    let ty = outcome.ty();
    if let Type::ImplTrait(opaque) = ungrouped(ty) {
        let sentence = match bound_name(opaque).map(Ident::to_string).as_deref() {
            Some("Stream") => "streams of results are not supported yet; return a `Vec`",
            Some("Future") => "write `async fn` and the type of the value",
            _ => RESULT.opaque,
        };
        return checked.refuse(opaque.impl_token, sentence);
    }
    Visitor::visit(ty, &RESULT, checked);
}

/// The sentences for one place where a type may stand.
struct Sentences {
    reference: &'static str,
    lifetime: &'static str,
    opaque: &'static str,
    self_type: &'static str,
    inferred: &'static str,
}

const ARGUMENT: Sentences = Sentences {
    reference: "a borrowed argument is `&str`, `&[u8]`, `&T`, `&[T]`, `Option<&str>` or `Option<&[u8]>`; \
                otherwise pass an owned type",
    lifetime: "an argument borrows nothing that its type does not show; \
               use an owned type, or `'static` for one that can own",
    opaque: "an argument has a named type; `impl Trait` cannot be decoded on the other side",
    self_type: "an argument has a named type; `Self` is not known on the other side",
    inferred: "an argument has a named type",
};

const RESULT: Sentences = Sentences {
    reference: "a result is owned, for it comes from another process; return `String`, `Vec<u8>` or a `T`",
    lifetime: "a result is owned, for it comes from another process; \
               use an owned type, or `'static` for one that can own",
    opaque: "a result has a named type; `impl Trait` cannot be decoded on the other side",
    self_type: "a result has a named type; `Self` is not known on the other side",
    inferred: "a result has a named type",
};

/// Finds the first thing in a type that cannot travel.
struct Visitor<'c, 'r> {
    sentences: &'static Sentences,
    checked: &'c mut Checked<'r>,
    found: bool,
}

impl<'c, 'r> Visitor<'c, 'r> {
    fn visit(ty: &Type, sentences: &'static Sentences, checked: &'c mut Checked<'r>) {
        Self { sentences, checked, found: false }.visit_type(ty);
    }

    fn refuse(&mut self, tokens: impl quote::ToTokens, sentence: &str) {
        self.found = true;
        self.checked.refuse(tokens, sentence);
    }
}

impl<'ast> Visit<'ast> for Visitor<'_, '_> {
    fn visit_type(&mut self, ty: &'ast Type) {
        if !self.found {
            visit::visit_type(self, ty);
        }
    }

    fn visit_type_reference(&mut self, reference: &'ast TypeReference) {
        self.refuse(reference.and_token, self.sentences.reference);
    }

    fn visit_lifetime(&mut self, lifetime: &'ast Lifetime) {
        if lifetime.ident != "static" && !self.found {
            self.refuse(lifetime, self.sentences.lifetime);
        }
    }

    fn visit_type_impl_trait(&mut self, opaque: &'ast TypeImplTrait) {
        self.refuse(opaque.impl_token, self.sentences.opaque);
    }

    fn visit_type_infer(&mut self, infer: &'ast TypeInfer) {
        self.refuse(infer, self.sentences.inferred);
    }

    fn visit_type_path(&mut self, path: &'ast TypePath) {
        match path.path.segments.first() {
            Some(first) if first.ident == "Self" => self.refuse(&first.ident, self.sentences.self_type),
            _ => visit::visit_type_path(self, path),
        }
    }
}

fn bound_name(opaque: &TypeImplTrait) -> Option<&Ident> {
    opaque.bounds.iter().find_map(|bound| match bound {
        TypeParamBound::Trait(bound) => bound.path.segments.last().map(|segment| &segment.ident),
        _ => None,
    })
}

/// `Streaming<T>` or `farcall::Streaming<T>`.
fn is_streaming(ty: &Type) -> bool {
    let named = last_segment(ty).is_some_and(|segment| segment.ident == "Streaming");
    let ours = match ungrouped(ty) {
        Type::Path(path) => path.path.segments.len() <= 2,
        _ => false,
    };
    named && ours
}
